/** Key in sessionStorage of the access token: only this tab has it, until the tab is closed. */
const ACCESS = 'procorefs-token';
const RENEWAL = 'procorefs-renewal';

/** The reply of `/connect/token`. */
export interface Granted {
  readonly access_token: string;
  /** Valid once, for the next access token. */
  readonly refresh_token?: string;
}

export const isSignedIn = (): boolean => sessionStorage.getItem(ACCESS) !== null;

/** The `Authorization` header with the access token. */
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
 * Exchanges the refresh token for a new access token, since an access token is valid for one hour; concurrent callers
 * share one request. Resolves with whether there is a new token. Rejects as `grant` does.
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
