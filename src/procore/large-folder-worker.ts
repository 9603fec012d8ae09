import { parentPort, workerData } from 'node:worker_threads';
import { parseJson, toFolder } from './rows.js';

/** Entry of the thread that understands one large reply; see `folderAlone`. */
const { bytes } = workerData as { bytes: ArrayBuffer };
parentPort?.postMessage(toFolder(parseJson(bytes, '', '')));
