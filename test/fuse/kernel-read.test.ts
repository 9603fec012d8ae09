import { kernelDriver } from '#src/fuse/kernel/driver.js';
import { readSuite } from '../support/fuse-suite.js';

readSuite(kernelDriver);
