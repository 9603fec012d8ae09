export interface MultipartPart {
  readonly name: string;
  /** Present for the part of a file. */
  readonly filename: string | undefined;
  /** Must be read to its end before the next part. */
  readonly body: AsyncGenerator<Buffer>;
}

const MOST_HEADERS = 16 * 1024;

/** A malformed form. */
export class FormError extends Error {}

/** The boundary of a `multipart/form-data` content type. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  const match = /^multipart\/form-data\s*;.*?boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType ?? '');
  return match?.[1] ?? match?.[2];
}

/** The parts of a form, each streamed. Throws `FormError`. */
export async function* multipart(source: AsyncIterable<Buffer>, boundary: string): AsyncGenerator<MultipartPart> {
  const reader = new Reader(source);
  await reader.until(Buffer.from(`--${boundary}`), MOST_HEADERS);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  for (;;) {
    const mark = await reader.take(2);
    if (mark.equals(Buffer.from('--'))) return;
    if (!mark.equals(Buffer.from('\r\n'))) throw new FormError('the form is malformed');
    const head = (await reader.until(Buffer.from('\r\n\r\n'), MOST_HEADERS)).toString();
    const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(head)?.[1] ?? '';
    const name = parameter(disposition, 'name');
    if (name === undefined) throw new FormError('a part of the form has no name');
    yield { name, filename: parameter(disposition, 'filename'), body: reader.body(delimiter) };
  }
}

/** The text of a part of at most a mebibyte. */
export async function textOf(part: MultipartPart): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of part.body) {
    length += chunk.length;
    if (length > 1024 * 1024) throw new FormError('a field of the form is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parameter(disposition: string, name: string): string | undefined {
  const match = new RegExp(`(?:^|[;\\s])${name}="((?:[^"\\\\]|\\\\.)*)"`, 'i').exec(disposition);
  return match?.[1]
    ?.replace(/%22/g, '"')
    .replace(/%0D/gi, '\r')
    .replace(/%0A/gi, '\n')
    .replace(/\\(["\\])/g, '$1');
}

class Reader {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Buffer> {
    while (this.#rest.length < length) await this.#more();
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  /** Returns the bytes before `mark` and consumes both. */
  async until(mark: Buffer, most: number): Promise<Buffer> {
    for (;;) {
      const at = this.#rest.indexOf(mark);
      if (at >= 0) {
        const taken = this.#rest.subarray(0, at);
        this.#rest = this.#rest.subarray(at + mark.length);
        return taken;
      }
      if (this.#rest.length > most) throw new FormError('the headers of a part are too long');
      await this.#more();
    }
  }

  async *body(delimiter: Buffer): AsyncGenerator<Buffer> {
    for (;;) {
      const at = this.#rest.indexOf(delimiter);
      if (at >= 0) {
        const last = this.#rest.subarray(0, at);
        this.#rest = this.#rest.subarray(at + delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      const safe = this.#rest.length - delimiter.length + 1;
      if (safe > 0) {
        const chunk = this.#rest.subarray(0, safe);
        this.#rest = this.#rest.subarray(safe);
        yield chunk;
      }
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#source.next();
    if (done) throw new FormError('the form ends too early');
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
  }
}
