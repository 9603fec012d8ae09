import { companies, me, projects } from './accounts-routes.js';
import type { ApiRoute } from './call.js';
import { getDocuments, getDocumentsV2, getFile, getFolder, getFoldersV2 } from './read-routes.js';
import { getUpload, patchUpload, postUpload } from './upload-routes.js';
import {
  deleteFile,
  deleteFolder,
  patchFile,
  patchFolder,
  postFile,
  postFileVersion,
  postFolder,
} from './write-routes.js';

export interface RouteRow {
  readonly method: string;
  readonly pattern: string;
  readonly run: ApiRoute;
  /** Needs no `Procore-Company-Id` header; `user`: only for a user, not for a service account. */
  readonly withoutCompany?: 'anyone' | 'user';
}

const V1 = '/rest/v1.0';
const V2 = '/rest/v2.0';
const CP2 = `${V2}/companies/:company/projects/:project`;
const UPLOADS = '/rest/v1.1/projects/:project/uploads';

/** The document routes under a prefix: the same for a project, a `project_id` in the query, and a company. */
const documents = (prefix: string): RouteRow[] => [
  { method: 'GET', pattern: `${prefix}/folders`, run: getFolder },
  { method: 'GET', pattern: `${prefix}/folders/:id`, run: getFolder },
  { method: 'POST', pattern: `${prefix}/folders`, run: postFolder },
  { method: 'PATCH', pattern: `${prefix}/folders/:id`, run: patchFolder },
  { method: 'DELETE', pattern: `${prefix}/folders/:id`, run: deleteFolder },
  { method: 'POST', pattern: `${prefix}/files`, run: postFile },
  { method: 'GET', pattern: `${prefix}/files/:id`, run: getFile },
  { method: 'PATCH', pattern: `${prefix}/files/:id`, run: patchFile },
  { method: 'DELETE', pattern: `${prefix}/files/:id`, run: deleteFile },
  { method: 'POST', pattern: `${prefix}/file_versions`, run: postFileVersion },
];

export const routeTable: readonly RouteRow[] = [
  { method: 'GET', pattern: `${V1}/me`, run: me, withoutCompany: 'user' },
  { method: 'GET', pattern: `${V1}/companies`, run: companies, withoutCompany: 'user' },
  { method: 'GET', pattern: `${V1}/projects`, run: projects },
  ...documents(V1),
  { method: 'GET', pattern: `${V1}/projects/:project/documents`, run: getDocuments },
  ...documents(`${V1}/companies/:company`),
  { method: 'GET', pattern: `${V1}/companies/:company/documents`, run: getDocuments },
  { method: 'POST', pattern: UPLOADS, run: postUpload },
  { method: 'GET', pattern: `${UPLOADS}/:uuid`, run: getUpload },
  { method: 'PATCH', pattern: `${UPLOADS}/:uuid`, run: patchUpload },
  { method: 'GET', pattern: `${V2}/projects/:project/documents`, run: getDocumentsV2 },
  { method: 'GET', pattern: `${CP2}/documents`, run: getDocumentsV2 },
  { method: 'GET', pattern: `${CP2}/folders`, run: getFoldersV2 },
  { method: 'GET', pattern: `${CP2}/folders/:id`, run: getFoldersV2 },
];
