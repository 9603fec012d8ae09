import { kernelDriver } from '#src/fuse/kernel/driver.js';
import { readSuite } from '../helpers/fuse-suite.js';

readSuite(kernelDriver);
