import { fuseNativeDriver } from '#src/fuse/native/driver.js';
import { writeSuite } from '../support/fuse-write-suite.js';

writeSuite({ driver: fuseNativeDriver });
