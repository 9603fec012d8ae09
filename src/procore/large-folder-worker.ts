import { parentPort, workerData } from 'node:worker_threads';
import { parseListing } from './listing.js';

/** Entry of the thread that understands one large reply; see `folderAlone`. */
const { bytes } = workerData as { bytes: Uint8Array };
parentPort?.postMessage(parseListing(bytes).folder);
