import t from 'tap';
import { judgeName } from '#src/names/judge.js';
import { encodingFor } from '#src/names/platform-encoding.js';
import { platformNames, platforms } from '#src/names/platforms.js';
import fc from '../support/properties.js';

const MARK = '\u2038';
const QUOTE = '\u201b';
/** Strings rich in what platforms forbid, and in what their encodings use. */
const PIECES = [
  ...['/', '\\', ':', '?', '\0', '\n', '.', ' ', '\u00a0', '\t', 'CON', 'aux', 'lpt1', '_vti_', '~$', 'desktop.ini'],
  ...['.lock', 'Thumbs.db', 'a', '.pdf', MARK, QUOTE, '\uff0f', '\uff0e', '\u2205', '\u2420', '\ud800', '\udc00'],
  ...['\u{f0000}', '😀', 'e\u0301', 'Ａ'],
];
const anyName = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.array(fc.nat(0xffff), { maxLength: 6 }).map((units) => String.fromCharCode(...units)),
);
const withoutLengths = (platform: (typeof platformNames)[number]) => ({
  ...platforms[platform],
  nameLength: undefined,
});

t.test('every string is encoded as a name that the platform takes, and decodes to itself', async (t) => {
  for (const platform of platformNames) {
    const { encode, decode } = encodingFor(platforms[platform]);
    const rules = withoutLengths(platform);
    fc.assert(
      fc.property(anyName, (name) => {
        const encoded = encode(name);
        return judgeName(rules, encoded) === undefined && !/\p{Cs}/u.test(encoded) && decode(encoded) === name;
      }),
      { numRuns: 3000 },
    );
    t.pass(platform);
  }
});

t.test('every character of Unicode comes back, alone and at each end of a name', async (t) => {
  const { encode, decode } = encodingFor(platforms.onedrive);
  const rules = withoutLengths('onedrive');
  let broken = 0;
  for (let code = 0; code <= 0x10ffff; code++) {
    const character = String.fromCodePoint(code);
    const name = code % 3 === 0 ? character : code % 3 === 1 ? `${character}a` : `a${character}`;
    const encoded = encode(name);
    if (decode(encoded) !== name || judgeName(rules, encoded)) broken++;
  }
  t.equal(broken, 0);
});

t.test('what the platform takes stays as it is, unless it looks encoded', async (t) => {
  const { encode } = encodingFor(platforms.smb);
  for (const name of ['Plan 1.pdf', 'Ünï©ødé', 'ＡＢＣ．txt', `it${QUOTE}s`, 'console.log', '.bashrc'])
    t.equal(encode(name), name);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (name) => {
      fc.pre(!judgeName(withoutLengths('smb'), name) && !/[\u2038\u201b\u2205\u2400-\u2421\uff01-\uff5e]/.test(name));
      return encode(name) === name;
    }),
  );
});

t.test('encoded names stay readable', async (t) => {
  const smb = encodingFor(platforms.smb);
  t.equal(smb.encode('A/B: 5" <new>?.pdf'), 'A\uff0fB\uff1a 5\uff02 \uff1cnew\uff1e\uff1f.pdf');
  t.equal(smb.encode('CON.txt'), `${MARK}CON.txt`);
  t.equal(smb.encode('etc...'), `etc...${MARK}`);
  t.equal(smb.encode('..'), '\uff0e\uff0e');
  t.equal(smb.encode(`a${MARK}b`), `a${MARK}${MARK}b`);
  t.equal(encodingFor(platforms.sharepoint).encode('x_vti_y'), `x_${MARK}vti_y`);
  t.equal(encodingFor(platforms.procore).encode('a  .pdf'), `a  ${MARK}.pdf`);
});

t.test('somebody else\u2019s name that only looks encoded is not decoded', async (t) => {
  const { decode } = encodingFor(platforms.smb);
  t.equal(decode(`a${MARK}b`), `a${MARK}b`);
  t.equal(decode(`${MARK}console.txt`), `${MARK}console.txt`);
});
