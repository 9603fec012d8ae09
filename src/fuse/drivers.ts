import type { Driver, DriverName } from './driver.js';
import { kernelDriver } from './kernel/driver.js';
import { fuseNativeDriver } from './native/driver.js';

/**
 * The number of threads that libuv's pool must have in a process that mounts: set `UV_THREADPOOL_SIZE` to this before
 * anything uses the pool (the first file operation already does). Per mount, the kernel driver keeps one thread asleep
 * and uses one more while it notifies the kernel. The rest are for cache files and DNS lookups, which would starve with
 * Node's default of four.
 */
export const THREAD_POOL_SIZE = 16;

export const drivers: Readonly<Record<DriverName, Driver>> = { kernel: kernelDriver, 'fuse-native': fuseNativeDriver };
