const HIDDEN = '[secret]';

/**
 * An address without its password: `scheme://user:password@host`, `//user:password@server/share`,
 * `user:password@host:folder`. Where it can be parsed in two ways, the one that shows less is used.
 */
export function redactedUri(uri: string): string {
  const [, start = '', rest = ''] = /^((?:[a-z][a-z0-9+.-]*:)?[/\\]{2})?(.*)$/is.exec(uri) ?? [];
  const colon = rest.startsWith('[') ? -1 : rest.search(/[:/\\]/);
  if (colon < 0 || rest[colon] !== ':') return uri;
  const slash = rest.slice(colon).search(/[/\\]/);
  const authority = slash < 0 ? rest : rest.slice(0, colon + slash);
  const at = authority.lastIndexOf('@');
  if (at > colon) return hide(start, rest, colon, at);
  // A password may contain a slash; a port or folder must not be taken for one.
  const last = rest.lastIndexOf('@');
  const after = rest.slice(colon + 1, last);
  const isFolder = start === '' ? /^[/\\]/.test(after) || !rest.slice(last).includes(':') : /^\d*[/\\]/.test(after);
  return last < colon || isFolder ? uri : hide(start, rest, colon, last);
}

const hide = (start: string, rest: string, colon: number, at: number): string =>
  `${start}${rest.slice(0, colon + 1)}${HIDDEN}${rest.slice(at)}`;
