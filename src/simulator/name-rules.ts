import { fieldError } from './http/reply.js';
import type { Switches } from './switches.js';

const FORBIDDEN = /[/<>:\\|?*]/;
const EXECUTABLE =
  /\.(ade|adp|app|asp|bas|bat|chm|cmd|com|cpl|crt|dll|exe|hta|inf|ins|isp|jar|js|jse|lnk|mde|msc|msi|msp|mst|pcd|pif|ps1|reg|scr|sct|sh|shs|vb|vbe|vbs|wsc|wsf|wsh)$/i;

/** Returns the function by whose results the server compares names. */
export function nameKey(switches: Switches): (name: string) => string {
  const folds = switches.is('name-case', 'insensitive');
  const composes = switches.is('name-twins', 'clash');
  return (name) => {
    const composed = composes ? name.normalize('NFC') : name;
    return folds ? composed.toLowerCase() : composed;
  };
}

/** The name as the server stores it; throws the API error for a name that is not allowed. */
export function cleanName(given: string, folder: boolean, switches: Switches): string {
  let name = given.replace(/\p{Surrogate}/gu, '\ufffd');
  if (switches.is('name-unicode', 'nfc')) name = name.normalize('NFC');
  if (FORBIDDEN.test(name)) {
    if (switches.is('name-characters', 'refused')) throw fieldError(400, 'name', 'contains invalid characters');
    if (switches.is('name-characters', 'replaced')) name = name.replace(new RegExp(FORBIDDEN, 'g'), '-');
  }
  const trimmed = name.replace(/^\s+|[\s.]+$/g, '');
  if (trimmed !== name) {
    if (switches.is('name-edges', 'refused')) throw fieldError(400, 'name', 'is invalid');
    if (switches.is('name-edges', 'trimmed')) name = trimmed;
  }
  if (name === '') throw fieldError(400, 'name', "can't be blank");
  const longest = switches.get('name-length');
  if (longest !== 'unlimited' && [...name].length > Number(longest)) {
    throw fieldError(400, 'name', `is too long (maximum is ${longest} characters)`);
  }
  if (!folder && switches.is('executables', 'refused') && EXECUTABLE.test(name)) {
    throw fieldError(422, 'name', 'has a file type that this company does not allow');
  }
  return name;
}
