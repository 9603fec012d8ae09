import t from 'tap';
import { hostileReplies } from '../scenarios/hostile-replies.js';

t.test('before a storage that answers in every way there is, no wrong byte is read or kept', async (t) => {
  await hostileReplies(t, 1200, 1);
});
