import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type Installation, kill, run } from './mounted.js';
import { must } from './programs.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/** Milliseconds in which a program shows a window, or does what a key asks of it. */
const PATIENCE = 120_000;

/** A display without a screen (Xvfb) and a session bus, with programs in windows to which keys are sent (xdotool). */
export class Desktop {
  readonly env: NodeJS.ProcessEnv;
  /** Where its programs keep their settings and thumbnails. */
  readonly home: string;
  readonly #children: ChildProcess[];

  private constructor(home: string, env: NodeJS.ProcessEnv, children: ChildProcess[]) {
    this.home = home;
    this.env = env;
    this.#children = children;
  }

  static async start(t: Teardown, installation: Installation): Promise<Desktop> {
    const home = join(installation.folder, 'home');
    const runtime = join(home, 'run');
    mkdirSync(runtime, { recursive: true, mode: 0o700 });
    const children: ChildProcess[] = [];
    t.teardown(async () => {
      for (const child of children.reverse()) await kill(child, 'SIGTERM');
    });
    const { NODE_OPTIONS: _, ...inherited } = process.env;
    const env: NodeJS.ProcessEnv = {
      ...inherited,
      HOME: home,
      XDG_RUNTIME_DIR: runtime,
      XDG_CACHE_HOME: join(home, 'cache'),
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_DATA_HOME: join(home, 'data'),
      GSETTINGS_BACKEND: 'memory',
      GDK_BACKEND: 'x11',
      NO_AT_BRIDGE: '1',
    };
    const screen = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1024x768x24', '-nolisten', 'tcp'], {
      env,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    children.push(screen);
    env.DISPLAY = `:${await firstLine(screen.stdio[3] as Readable)}`;
    const bus = spawn('dbus-daemon', ['--session', '--nofork', '--print-address=1'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push(bus);
    env.DBUS_SESSION_BUS_ADDRESS = await firstLine(bus.stdout!);
    return new Desktop(home, env, children);
  }

  /** Starts a program that is ended with the test. */
  start(program: string, words: readonly string[]): ChildProcess {
    const child = spawn(program, words, { env: this.env, stdio: 'ignore' });
    this.#children.push(child);
    return child;
  }

  run(program: string, words: readonly string[]): Promise<string> {
    return must(program, words, undefined, this.env);
  }

  /** Waits for a window with this title (a regular expression) and gives it the keyboard. */
  async window(title: string): Promise<void> {
    const search = ['search', '--sync', '--onlyvisible', '--name', title];
    const found = await this.run('timeout', [String(PATIENCE / 1000), 'xdotool', ...search]);
    await this.run('xdotool', ['windowfocus', '--sync', found.trim().split('\n').at(-1)!]);
    // Without a window manager nothing tells when the program has seen that it has the keyboard.
    await sleep(500);
  }

  /**
   * Presses a key in a window until it opens another one, and gives that the keyboard: a program may not be ready for the
   * first one, and what had the keyboard may have been a window of that title that was closing.
   */
  async opens(key: string, title: string, from: string): Promise<void> {
    await until(`a window ${title}`, async () => {
      await this.window(from);
      if (await this.#isShown(title)) return true;
      await this.keys(key);
      for (let look = 0; look < 20; look++) {
        if (await this.#isShown(title)) return true;
        await sleep(100);
      }
      return false;
    });
    await this.window(title);
  }

  /** Presses a key that closes a window, and waits until that is gone. */
  async closes(key: string, title: string): Promise<void> {
    await this.keys(key);
    await until(`no window ${title}`, async () => !(await this.#isShown(title)));
  }

  async #isShown(title: string): Promise<boolean> {
    return (await run('xdotool', ['search', '--onlyvisible', '--name', title], { env: this.env })).code === 0;
  }

  async keys(...keys: string[]): Promise<void> {
    await this.run('xdotool', ['key', '--delay', '50', ...keys]);
  }

  async type(text: string): Promise<void> {
    await this.run('xdotool', ['type', '--delay', '20', text]);
  }

  /** Starts the file manager; thumbnails are made in every folder. */
  async startThunar(): Promise<void> {
    this.start('thunar', ['--daemon']);
    const names = 'call --session -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.ListNames'.split(' ');
    await until('Thunar is on the bus', async () => (await this.run('gdbus', names)).includes('org.xfce.FileManager'));
    // By itself it makes none in what is mounted through FUSE.
    await this.run(
      'xfconf-query',
      '-c thunar -p /misc-thumbnail-mode -n -t string -s THUNAR_THUMBNAIL_MODE_ALWAYS'.split(' '),
    );
  }

  /** Has the file manager, of which one runs already, show a folder with a file selected. */
  async showInThunar(folder: string, file: string): Promise<void> {
    await this.run('gdbus', [
      ...['call', '--session', '--dest', 'org.xfce.FileManager', '--object-path', '/org/xfce/FileManager'],
      ...['--method', 'org.xfce.FileManager.DisplayFolderAndSelect'],
      ...[pathToFileURL(folder).href, file, this.env.DISPLAY!, ''],
    ]);
  }
}

async function firstLine(stream: Readable): Promise<string> {
  for await (const line of createInterface({ input: stream })) return line;
  throw new Error('a program of the desktop ended before it was ready');
}

/** Resolves when the condition holds. @throws Error with what was waited for */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(100)) if (await holds()) return;
  throw new Error(`not within ${PATIENCE / 1000} s: ${what}`);
}

/** A picture of one colour that a thumbnail can be made of (Netpbm, portable pixmap). */
export function writePicture(path: string, size: number): void {
  writeFileSync(path, Buffer.concat([Buffer.from(`P6\n${size} ${size}\n255\n`), Buffer.alloc(size * size * 3, 0x7f)]));
}
