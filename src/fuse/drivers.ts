import type { Driver, DriverName } from './filesystem.js';
import { kernelDriver } from './kernel/driver.js';
import { fuseNativeDriver } from './native/driver.js';

/**
 * Threads that libuv's pool must have in a process that mounts: set `UV_THREADPOOL_SIZE` to this before anything uses
 * the pool (the first file operation already does). Per mount the kernel driver keeps one asleep and takes one more
 * while it notifies the kernel; the rest are for the files of the cache and for name look-ups, which would starve among
 * the four that Node has by default.
 */
export const THREAD_POOL_SIZE = 16;

export const drivers: Readonly<Record<DriverName, Driver>> = { kernel: kernelDriver, 'fuse-native': fuseNativeDriver };
