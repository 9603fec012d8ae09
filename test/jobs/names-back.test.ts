import t from 'tap';
import { hostileNames } from '../helpers/cases-names.js';

t.test('hostile names go to a share, and come back as they were', (t) => hostileNames(t, 'smb', 6, 5));
