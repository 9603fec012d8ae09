import { mix } from '../random.js';

interface Theme {
  readonly top: string;
  readonly folders: readonly string[];
  /** `n` differs among siblings and must be part of the name, so that names are unique. */
  readonly file: (n: number, hash: number) => string;
}

const pick = <T>(list: readonly T[], hash: number): T => list[hash % list.length]!;
const digits = (n: number, width: number): string => String(n).padStart(width, '0');

const LEVELS = ['Level 00', 'Level 01', 'Level 02', 'Level 03', 'Roof', 'Basement', 'Site', 'Core A', 'Core B'];
const TRADES = ['Concrete', 'Steel', 'Masonry', 'Roofing', 'Glazing', 'Drywall', 'Flooring', 'HVAC', 'Electrical'];
const MONTHS = ['2024-01', '2024-02', '2024-04', '2024-07', '2024-10', '2025-01', '2025-05', '2025-09', '2026-02'];
const PLANS = ['Floor Plan', 'Reflected Ceiling Plan', 'Elevations', 'Wall Sections', 'Stair Details', 'Door Schedule'];
const SUBJECTS = ['Beam Clash', 'Missing Dimension', 'Fire Rating', 'Anchor Bolts', 'Duct Routing', 'Curb Height'];

/** Each item stores the index of its theme in one byte: append only. */
export const themes: readonly Theme[] = [
  {
    top: '01 Drawings',
    folders: ['Architectural', 'Structural', 'Mechanical', 'Electrical', 'Plumbing', 'Civil', 'Superseded', ...LEVELS],
    file: (n, h) =>
      `${pick(['A', 'S', 'M', 'E', 'P', 'C'], h)}-${101 + n} ${pick(PLANS, h >>> 3)} Rev ${(h >>> 8) % 6}.pdf`,
  },
  {
    top: '02 Specifications',
    folders: ['Division 03 Concrete', 'Division 05 Metals', 'Division 08 Openings', 'Division 09 Finishes', 'Addenda'],
    file: (n, h) =>
      `${digits(3 + (h % 30), 2)} ${digits(n, 2)} 00 ${pick(TRADES, h >>> 5)}.${pick(['pdf', 'docx'], h >>> 9)}`,
  },
  {
    top: '03 RFIs',
    folders: ['Open', 'Closed', 'Drafts', ...TRADES],
    file: (n, h) => `RFI-${digits(n + 1, 3)} ${pick(SUBJECTS, h)}.pdf`,
  },
  {
    top: '04 Submittals',
    folders: [...TRADES, 'Approved', 'Revise and Resubmit'],
    file: (n, h) =>
      `Submittal ${digits(n + 1, 4)} ${pick(TRADES, h)} R${(h >>> 4) % 3}.${pick(['pdf', 'pdf', 'zip'], h >>> 7)}`,
  },
  {
    top: '05 Photos',
    folders: [...MONTHS, ...LEVELS],
    file: (n, h) =>
      `IMG_${digits(n + 1, 4)}${pick(['', ' (2)', ' north', ' slab'], h)}.${pick(['jpg', 'JPG', 'heic'], h >>> 4)}`,
  },
  {
    top: '06 Contracts',
    folders: ['Prime', 'Subcontracts', 'Insurance', 'Bonds', ...TRADES],
    file: (n, h) =>
      `${pick(TRADES, h)} Contract No ${n + 1}${pick(['', ' signed', ' DRAFT'], h >>> 5)}.${pick(['pdf', 'docx'], h >>> 8)}`,
  },
  {
    top: '07 Meeting Minutes',
    folders: ['Owner', 'Subcontractors', 'Safety', ...MONTHS],
    file: (n, h) =>
      `Meeting ${digits(n + 1, 3)} ${pick(['OAC', 'Site', 'Design'], h)}.${pick(['docx', 'pdf'], h >>> 3)}`,
  },
  {
    top: '08 Safety',
    folders: ['Toolbox Talks', 'Incidents', 'Permits', ...MONTHS],
    file: (n, h) => `Safety Inspection ${digits(n + 1, 3)} ${pick(LEVELS, h)}.${pick(['xlsx', 'pdf'], h >>> 4)}`,
  },
  {
    top: '09 Change Orders',
    folders: ['Pending', 'Approved', 'Void', ...TRADES],
    file: (n, h) => `PCO ${digits(n + 1, 3)} ${pick(SUBJECTS, h)}.${pick(['pdf', 'xlsx', 'msg'], h >>> 5)}`,
  },
  {
    top: '10 BIM and Closeout',
    folders: ['Models', 'As-Builts', 'O&M Manuals', 'Warranties', 'Punch List', ...LEVELS],
    file: (n, h) =>
      `${pick(LEVELS, h)} ${pick(['coordination', 'as-built', 'manual'], h >>> 4)} ${n + 1}.${pick(['rvt', 'dwg', 'ifc', 'pdf'], h >>> 7)}`,
  },
  {
    top: 'Schedules',
    folders: ['Baseline'],
    file: (n, h) => `Schedule update ${digits(n + 1, 2)}.${pick(['mpp', 'xer', 'pdf'], h)}`,
  },
];

export const SCHEDULES_THEME = themes.length - 1;
export const TOP_FOLDERS = themes.length - 1;

/** Unusual character sequences from real names, added to a few generated names. */
const ODD_PIECES = [
  '1/2',
  'A\\B',
  '10:30',
  '*final*',
  'why?',
  '"as built"',
  '<draft>',
  'a|b',
  'Entwurf Änderung',
  '図面',
  '🏗',
];

export function folderName(theme: number, top: boolean, n: number): string {
  const { top: own, folders } = themes[theme]!;
  if (top) return n < TOP_FOLDERS ? own : `${own} ${Math.floor(n / TOP_FOLDERS) + 1}`;
  const base = folders[n % folders.length]!;
  return n < folders.length ? base : `${base} ${Math.floor(n / folders.length) + 1}`;
}

export function fileName(theme: number, n: number, seed: number, oddNames: boolean): string {
  const hash = mix(seed, n * 31 + theme);
  const name = themes[theme]!.file(n, hash);
  if (!oddNames || hash % 400 !== 7) return name;
  const dot = name.lastIndexOf('.');
  return `${name.slice(0, dot)} ${pick(ODD_PIECES, hash >>> 9)}${name.slice(dot)}`;
}
