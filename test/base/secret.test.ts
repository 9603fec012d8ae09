import { inspect } from 'node:util';
import t from 'tap';
import { maskSecrets, Secret } from '#src/base/secret.js';

t.test('a secret shows in no text, and may be any text', (t) => {
  for (const value of ['correct horse', 'pass&word=1%', '\ud800 half of a pair', 'schlüssel wort']) {
    const secret = new Secret(value);
    t.equal(secret.reveal(), value);
    t.strictSame(
      [String(secret), JSON.stringify({ secret }), inspect(secret)],
      ['[secret]', '{"secret":"[secret]"}', '[secret]'],
    );
    t.equal(maskSecrets(`it was ${value}!`), 'it was [secret]!');
  }
  t.equal(maskSecrets('it was pass%26word%3D1%25!'), 'it was [secret]!');
  t.end();
});
