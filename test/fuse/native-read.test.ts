import { fuseNativeDriver } from '#src/fuse/native/driver.js';
import { readSuite } from '../support/fuse-suite.js';

readSuite(fuseNativeDriver);
