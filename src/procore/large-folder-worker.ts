import { parentPort, workerData } from 'node:worker_threads';
import { parseListing } from './listing.js';
import { type TransferableBody, unpacked } from './transport/body.js';

/** Entry of the thread that parses one large reply; see `folderAlone`. */
parentPort?.postMessage(parseListing(unpacked(workerData as TransferableBody)).folder);
