/** What is left of a name that a server may clean, also at its ends. Two names with the same result may be one. */
export const cleanedName = (name: string): string =>
  name
    .normalize('NFC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}.]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '');

/** Whether the server may have made one name from the other. */
export const isCleaned = (name: string, given: string): boolean =>
  name === given || cleanedName(name) === cleanedName(given);
