import t from 'tap';
import { hostileNames } from '../scenarios/names.js';

t.test('hostile names go to a share, and come back as they were', (t) => hostileNames(t, 'smb', 6, 5));

t.test('a folder that a store shows with its first file only comes back under its name as well', (t) =>
  hostileNames(t, 's3', 12, 19, (side) => {
    const stat = side.stat.bind(side);
    side.stat = async (path, signal) => {
      const item = await stat(path, signal);
      return item?.folder && path !== '' ? undefined : item;
    };
    return side;
  }),
);
