import { fuseNativeDriver } from '#src/fuse/native/driver.js';
import { writeSuite } from '../helpers/fuse-write-suite.js';

writeSuite({ driver: fuseNativeDriver });
