#!/usr/bin/env node
import { EXIT_FAILED, runCommandLine } from './command-line.js';

// A reader that went away (`| head`) is no reason for a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT_FAILED));
// Nor is one that does not hear a warning a reason not to do what was asked.
process.stderr.on('error', () => undefined);

await runCommandLine(process.argv.slice(2));
