export interface Person {
  readonly id: number;
  readonly login: string;
  readonly name: string;
}

const NAMES = [
  'Procorefs Service Account',
  'Alex Admin',
  'Maria Gonzalez',
  'Ben Whitaker',
  'Priya Raman',
  'Jürgen Köhler',
  'Sofie Lindqvist',
  'Kenji Watanabe',
  'Tom O’Neill',
];

/** The persons who create items; the first is the service account, the second the user who signs in. */
export const people: readonly Person[] = NAMES.map((name, i) => ({
  id: 9_486_180 + i * 7,
  login: `${name
    .normalize('NFD')
    .replace(/[^A-Za-z ]/g, '')
    .toLowerCase()
    .replaceAll(' ', '.')}@example.com`,
  name,
}));

export const SERVICE_ACCOUNT = 0;
export const SIGNED_IN_PERSON = 1;
/** Index of the person who makes changes through the admin URL by default. */
export const SOMEBODY_ELSE = 2;
