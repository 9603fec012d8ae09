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

export const JOB_SEEDS: readonly number[] = [
  // A job moves a document away that got a new version since it was listed.
  11, 145, 171,
  // What a publication or a synchronisation overwrites got other content in between.
  31, 104, 120, 125, 178,
];
