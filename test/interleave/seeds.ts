/** Seeds at which something was found once: what they stumbled over must not come back. */
export const OUTBOX_SEEDS: readonly number[] = [
  // A colleague saves between the last look and our version.
  3, 1014,
  // A deletion goes although a newer version came, or something new in the folder.
  101, 116, 129, 130, 2004, 2014,
  // A folder that changes wait in is deleted at the server.
  111, 127,
  // A kill while new files lie in new folders.
  2001, 2009, 2021,
  // A colleague saves over what a call without an answer had made.
  20_119,
  // A deletion has no reply, and is refused when it is sent again.
  8_000_139,
  // What a deletion without a reply took is shown nowhere.
  8_000_579,
  // What was made when it was sent again is taken for what comes late.
  8_000_606,
  // A colleague saves while a move is on its way, and a person goes on with the file.
  9_000_020,
];

// Open: outbox 20_195, on a busy machine: what is to go up does not end.
// Open: jobs 5116 and 5135, as a poll comes before or after: a colleague makes a document and hides it from the account
// before it was seen; a job removes the folder that it lies in, which is empty as far as anybody can tell.
// Open: outbox from 40_000 on (colleagues act on just what a call is about). From 40_000 to 40_054 nothing is found any more;
// of 150 from 41_000 on three found something: 41_021 and 41_032, a version of a colleague, 41_041, one of ours.
// They are found in a row that begins with 41_000: numbers that the server gives matter.

export const JOB_SEEDS: readonly number[] = [
  // A job moves a document away that got a new version since it was listed.
  11, 145, 171,
  // What a publication or a synchronisation overwrites got other content in between.
  31, 104, 120, 125, 178,
];
