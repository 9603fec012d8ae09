import t from 'tap';
import { hostileApi } from '../scenarios/hostile-api.js';

t.test('a mirror has what the server has, whatever becomes of replies on their way', async (t) => {
  await hostileApi(t, 120, 1);
});
