/** With what this tab is signed in; it knows that alone, until it is closed. */
const ACCESS = 'procorefs-token';
const RENEWAL = 'procorefs-renewal';

/** What `/connect/token` answered. */
export interface Granted {
  readonly access_token: string;
  /** Good once, for the next access token. */
  readonly refresh_token?: string;
}

export const isSignedIn = (): boolean => sessionStorage.getItem(ACCESS) !== null;

/** The header by which the service knows who asks. */
export function bearer(): Record<string, string> {
  const own = sessionStorage.getItem(ACCESS);
  return own === null ? {} : { authorization: `Bearer ${own}` };
}

export function keep({ access_token: access, refresh_token: renewal }: Granted): void {
  sessionStorage.setItem(ACCESS, access);
  if (renewal === undefined) sessionStorage.removeItem(RENEWAL);
  else sessionStorage.setItem(RENEWAL, renewal);
}

export function forget(): void {
  sessionStorage.removeItem(ACCESS);
  sessionStorage.removeItem(RENEWAL);
}

let renewing: Promise<boolean> | undefined;

/**
 * An access token lasts an hour, and people work for longer: another one for the refresh token, once for all requests
 * that need it. Answers whether there is one. Rejects as `grant` does.
 */
export function renew(
  grant: (words: Readonly<Record<string, string>>) => Promise<Granted | undefined>,
): Promise<boolean> {
  const refresh = sessionStorage.getItem(RENEWAL);
  if (refresh === null) return Promise.resolve(false);
  renewing ??= grant({ grant_type: 'refresh_token', refresh_token: refresh })
    .then((granted) => {
      if (granted) keep(granted);
      return granted !== undefined;
    })
    .finally(() => {
      renewing = undefined;
    });
  return renewing;
}
