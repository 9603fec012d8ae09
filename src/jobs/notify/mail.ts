/** UTF-8 bytes per encoded word, which keeps it within the 75 characters of RFC 2047. */
const WORD_BYTES = 42;
const LINE = 76;

/** A mail for sendmail, in ASCII only (RFC 5322, 2045, 2047). */
export function mailText(to: string, subject: string, body: string): string {
  const encoded = Buffer.from(body).toString('base64');
  return [
    `To: ${to}`,
    `Subject: ${encodedWords(subject)}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    // RFC 3834: prevents automatic replies.
    'Auto-Submitted: auto-generated',
    '',
    ...(encoded.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []),
    '',
  ].join('\n');
}

function encodedWords(text: string): string {
  if (/^[\x20-\x7e]{0,60}$/.test(text)) return text;
  const words: string[] = [];
  let word = '';
  for (const character of text) {
    if (Buffer.byteLength(word + character) > WORD_BYTES) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  return [...words, word].map((one) => `=?UTF-8?B?${Buffer.from(one).toString('base64')}?=`).join('\n ');
}
