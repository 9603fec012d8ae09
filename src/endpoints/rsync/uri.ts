/** `[USER@]HOST:FOLDER`: user, host, folder. */
export const SSH_URI = /^(?:([^@:/\s-][^@:/\s]*)@)?([^@:/\s-][^@:/\s]*|\[[0-9a-fA-F:]+\]):(.+)$/;
