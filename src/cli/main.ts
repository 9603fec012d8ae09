#!/usr/bin/env node
import { EXIT_FAILED, runCommandLine } from './command-line.js';

// A closed pipe (`| head`) must not cause a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT_FAILED));
// A warning that cannot be written must not stop the command.
process.stderr.on('error', () => undefined);

await runCommandLine(process.argv.slice(2));
