/** What is left of a name that a server may clean, also at its ends: two with the same may be one. */
export const cleanedName = (name: string): string =>
  name
    .normalize('NFC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}.]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '');

/** Whether the server may have made the one name of the other. */
export const isCleaned = (name: string, given: string): boolean =>
  name === given || cleanedName(name) === cleanedName(given);
