import type { ProbeAnswer } from './answers.js';
import * as answers from './answers.js';
import type { Evidence, ProbeStep } from './evidence.js';
import { knownSecond, maximumIn } from './reading.js';
import { spikeKind } from './spike-window.js';
import { SENT } from './writing.js';

export interface FactRow {
  /** Name of the simulator's switch, where there is one. */
  readonly name: string;
  readonly fact: string;
  /** `cannot`: a client cannot observe it, or not without doing harm. */
  readonly how: 'read' | 'write' | 'cannot';
  /** Why it cannot be observed. */
  readonly why?: string;
  /** The calls from which the answer is derived. */
  readonly steps: readonly ProbeStep[];
  answer(evidence: Evidence): ProbeAnswer;
}

type AnswerOf = FactRow['answer'];

const read = (name: string, fact: string, steps: readonly ProbeStep[], answer: AnswerOf): FactRow => ({
  name,
  fact,
  how: 'read',
  steps,
  answer,
});

const write = (name: string, fact: string, steps: readonly ProbeStep[], answer: AnswerOf): FactRow => ({
  name,
  fact,
  how: 'write',
  steps,
  answer,
});

const cannot = (name: string, fact: string, why: string): FactRow => ({
  name,
  fact,
  how: 'cannot',
  why,
  steps: [],
  answer: () => undefined,
});

const WITHOUT_COMPANY = ['companies', 'no-company'] as const;
const FOLDER_PAGE = ['page-beyond', 'page-allowed'] as const;
const ROWS = ['index', 'page-beyond', 'page-allowed', 'root'] as const;
const CHANGES = ['changes', 'changes-bin'] as const;
const SECOND_PERSON = 'needs another person who has a file checked out';

/** Every fact of the API that is inferred, unknown, or differs between accounts, and how a probe answers it. */
export const factTable: readonly FactRow[] = [
  cannot(
    'hour-window',
    'whether the hourly window is fixed, aligned to the clock, or slides',
    'only a spent hour shows it',
  ),
  read('spike-window', 'the same for the window of 10 seconds', ['window'], ({ rates, spikeSeconds }) =>
    spikeKind(rates, spikeSeconds),
  ),
  read('compression', 'whether replies are compressed for those who take that', ROWS, answers.compressionUsed(ROWS)),
  cannot('retry-after-on-429', 'whether a 429 carries Retry-After', 'only a call too many shows it'),
  cannot(
    'rate-headers-on-401',
    'whether a refused token still gets the rate headers',
    'needs a token that has expired',
  ),

  read('token-type', 'the case of token_type', [], ({ tokenType }) => tokenType),
  read('grant-error-status', 'the status of a refused grant', [], (seen) => seen.grantErrorStatus?.toString()),
  cannot('pkce', 'whether the sign-in takes code_challenge', 'needs a person at the sign-in page'),
  read(
    'company-header-status',
    'the status when Procore-Company-Id is missing',
    WITHOUT_COMPANY,
    answers.companyHeaderStatus,
  ),
  read(
    'company-header-on-companies',
    'whether a service account needs Procore-Company-Id even to list companies',
    ['companies'],
    answers.companyHeaderOnCompanies,
  ),
  read('errors-form', 'how an error without a field is spelled', WITHOUT_COMPANY, answers.errorsForm),

  read(
    'app-connected',
    "whether the app is installed in the company's App Management",
    ['projects'],
    answers.appConnected,
  ),
  read('project-access', 'what the account may do in the project', ['root', 'scratch'], answers.projectAccess),
  read('project-names', 'whether projects share a name', ['projects'], answers.projectNames),
  cannot(
    'other-projects',
    'whether there are projects without permission or tool',
    '`connections test` says it of each project',
  ),
  cannot('other-company', 'whether there is a company without the app', '`connections test` says it of each company'),
  read(
    'private-items',
    'whether the account sees private items',
    ['permission', 'listing'],
    (evidence) => answers.privateItems(evidence) ?? answers.visiblePrivateItems(evidence),
  ),

  read('bin-in-index', 'whether the Recycle Bin is a row of the index', FOLDER_PAGE, answers.inIndex('bin')),
  read('root-in-index', 'whether the root folder is a row of the index', FOLDER_PAGE, answers.inIndex('root')),
  read(
    'index-other-part',
    "whether a folder's row has file: null, a file's children: null",
    ['index'],
    answers.otherPart,
  ),
  read(
    'open-range',
    'whether a range may lack its end',
    ['open-range'],
    answers.either('open-range', 'accepted', '400'),
  ),
  read(
    'range-end',
    'whether the end of a range belongs to it',
    ['range-end', 'range-end-again'],
    answers.rangeEnd(knownSecond),
  ),
  read(
    'unknown-sort',
    'what an unknown sort key does',
    ['range-end', 'range-end-again'],
    answers.unlessRepeated('range-end', 'range-end-again'),
  ),
  read(
    'unknown-filter',
    'what an unknown filter does',
    ['tie', 'tie-again'],
    answers.unlessRepeated('tie', 'tie-again'),
  ),
  read('default-sort', 'the order of the index when none is asked for', ['index'], answers.defaultSort),
  read('equal-keys', 'the order among equal sort keys', [...FOLDER_PAGE, 'tie', 'tie-again'], answers.equalKeys),
  read('default-per-page', 'rows a page when per_page is not given', ['index'], answers.defaultPerPage),
  read(
    'per-page-beyond',
    'what a per_page above the maximum does',
    ['page-beyond'],
    answers.either('page-beyond', 'capped', '400'),
  ),
  read('per-page-most', 'the maximum of per_page', ['page-beyond'], answers.mostRows('page-beyond')),
  read('total-header', 'whether paged replies carry Total', ['index'], answers.header('total')),
  read('link-header', 'whether paged replies carry Link', ['index'], answers.header('link')),
  read('index-v1', 'whether the app may use the deprecated v1.0 index', ['index-v1'], ({ seen }) => {
    const status = seen['index-v1']?.status;
    return status === 200 ? 'allowed' : status === 403 ? 'denied' : status === undefined ? undefined : 'gone';
  }),
  read('index-v2', 'whether the v2.0 index exists', ['index-v2'], ({ seen }) => {
    const status = seen['index-v2']?.status;
    return status === 404 || status === 410 ? 'absent' : status === 200 || status === 400 ? 'present' : undefined;
  }),
  read('index-v2-rows', 'the maximum of per_page of the v2.0 index', ['index-v2'], answers.mostRows('index-v2')),
  read('v2-folders', 'whether the v2.0 folder resources exist', ['v2'], ({ seen }) =>
    seen.v2?.ok ? 'present' : seen.v2?.status === 404 ? 'absent' : undefined,
  ),
  read('url-form', "whether a version's URL is signed, or leads there by redirects", [], answers.urlForm),
  read('url-lifetime', 'seconds that a download URL is good for', [], ({ storage }) => storage?.lifetime?.toString()),
  read('storage-range', 'whether the storage honours Range', [], answers.storageRange),
  read('storage-etag', 'whether the storage sends ETag', [], answers.storageEtag),

  write('id-space', 'whether a file and a folder can have the same id', ['target', 'file'], answers.idSpace),
  write('bump-rename', 'whether a rename changes updated_at', ['rename'], answers.bumpedReply('rename', 'made')),
  write('bump-move', 'whether a move changes updated_at', ['move'], answers.bumpedReply('move', 'changed')),
  write('bump-delete', 'whether a deletion changes updated_at', CHANGES, answers.bumpedRow('folder')),
  write('bump-restore', 'whether a restore changes updated_at', ['restore'], answers.bumpedReply('restore', 'changed')),
  write(
    'bump-permission',
    'whether a change of permissions changes updated_at',
    ['permission'],
    answers.bumpedReply('permission', 'changed'),
  ),
  write(
    'bump-checkout',
    'whether a check-out changes updated_at',
    ['check-out'],
    answers.bumpedReply('check-out', 'made'),
  ),
  write(
    'bump-parent',
    'whether creating a child changes updated_at of its folder',
    CHANGES,
    answers.bumpedRow('target'),
  ),
  write(
    'bump-subtree',
    'whether deleting a folder changes updated_at of what is below it',
    CHANGES,
    answers.bumpedRow('child'),
  ),

  write(
    'recycled-parent',
    "whether a recycled row keeps its parent_id or gets the bin's",
    CHANGES,
    answers.recycledParent,
  ),
  write('recycled-subtree', 'whether is_deleted is also true below a deleted folder', CHANGES, answers.recycledSubtree),
  write(
    'recycled-name',
    'whether a recycled item still blocks its name',
    ['take-name'],
    answers.either('take-name', 'free', 'blocked'),
  ),
  write('recycled-get', 'what GET of a recycled item answers', ['get-recycled'], answers.recycledGet),
  write('recycled-in-index', 'whether the index lists recycled rows unasked', CHANGES, answers.recycledInIndex),
  write(
    'recycled-in-folders',
    "whether a folder's listing shows recycled children",
    ['listing'],
    answers.recycledInFolders,
  ),
  write(
    'recycled-write',
    'what a change of a recycled item answers',
    ['rename-recycled'],
    answers.refusalStatus('rename-recycled'),
  ),
  write(
    'recycled-filter',
    'whether the filter for the recycle bin also shows what is below a deleted folder',
    ['changes-bin'],
    answers.recycledFilter,
  ),
  write(
    'delete-reply',
    'what the reply to a deletion shows: the item, a folder as if it were empty, or nothing',
    ['delete-folder'],
    answers.deleteReply,
  ),
  write('restore', 'whether PATCH of parent_id takes an item out of the recycle bin', ['restore'], answers.restored),
  write(
    'parent-missing',
    'the status when parent_id is in the recycle bin',
    ['missing-parent'],
    answers.refusalStatus('missing-parent'),
  ),

  write(
    'name-characters',
    'what becomes of / < > : \\ | ? * in a name',
    ['name-characters'],
    answers.cleaned('name-characters', SENT.characters, 'replaced'),
  ),
  write(
    'name-edges',
    'white space and dots at the ends of a name',
    ['name-edges'],
    answers.cleaned('name-edges', SENT.edges, 'trimmed'),
  ),
  write(
    'name-unicode',
    'whether names are normalised',
    ['decomposed'],
    answers.cleaned('decomposed', SENT.decomposed, 'nfc'),
  ),
  write(
    'name-case',
    'whether names that differ only in case clash',
    ['name-case'],
    answers.either('name-case', 'sensitive', 'insensitive'),
  ),
  write(
    'name-twins',
    'whether the composed and decomposed form of a name clash',
    ['composed'],
    answers.either('composed', 'distinct', 'clash'),
  ),
  write(
    'name-length',
    'characters that a new name may have',
    ['name-256', 'name-255', 'name-150'],
    answers.longestName(maximumIn),
  ),
  write(
    'file-folder-clash',
    'whether a file and a folder may share a name',
    ['name-clash'],
    answers.either('name-clash', 'allowed', 'refused'),
  ),
  write('executables', 'whether the company refuses executable extensions', ['program'], answers.executables),

  write('empty-file', 'whether a file of 0 bytes may be uploaded', ['announce-empty', 'empty'], answers.emptyFile),
  write(
    'upload-unknown',
    'the status for an upload_uuid that is not known',
    ['unknown-upload'],
    answers.refusalStatus('unknown-upload'),
  ),
  write('upload-reuse', 'whether an upload can be used twice', ['reuse'], answers.uploadReuse),
  write('upload-status', "the storage's status for a single upload", [], ({ uploadStatus }) =>
    uploadStatus?.toString(),
  ),
  write(
    'version-name',
    'whether the name of a new version renames the file',
    ['version', 'check-out'],
    answers.versionNameAnswer,
  ),
  write('version-order', 'the order of file_versions', ['version', 'check-out'], answers.versionOrder),
  cannot(
    'folder-write-flags',
    'whether exclude_folders and exclude_files also count for the reply to a change of a folder',
    'it shows only where a folder that has something in it is changed; both answers work alike',
  ),
  cannot('account-is-admin', 'whether the account may add a version to what others have checked out', SECOND_PERSON),
  cannot('checkout-conflict', 'the status when another person has the file checked out', SECOND_PERSON),
  write(
    'checkout-expiry',
    'whether checked_out_by is cleared once the time has passed',
    ['check-out', 'listing'],
    answers.checkOutExpiry,
  ),
];
