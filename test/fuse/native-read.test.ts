import { fuseNativeDriver } from '#src/fuse/native/driver.js';
import { readSuite } from '../helpers/fuse-suite.js';

readSuite(fuseNativeDriver);
