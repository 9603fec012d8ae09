import { Failure } from '../base/errors.js';
import { LateWork } from './api/late.js';
import { ServerClock } from './clock.js';
import { Contents } from './content/contents.js';
import { UploadSpool } from './content/spool.js';
import { type FaultSetting, Faults } from './faults.js';
import { type Person, people } from './generate/people.js';
import { CallCounters } from './http/counters.js';
import type { Listener } from './http/listener.js';
import { Rates } from './http/rates.js';
import { Accounts } from './login/accounts.js';
import type { SimulatorOptions } from './options.js';
import { makeProject, type SimulatedProject } from './project.js';
import { mix, Random, seedOf } from './random.js';
import { UrlSigner } from './storage/signer.js';
import { ReceivedUploads } from './storage/uploads.js';
import { Switches } from './switches.js';

export interface SimulatedCompany {
  readonly id: number;
  readonly name: string;
  /** Whether the app is installed in the company. */
  readonly connected: boolean;
}

interface Client {
  readonly id: string;
  readonly secret: string;
}

const FIRST_COMPANY = 562_949_953_421_400;
const FIRST_PROJECT = 562_949_953_423_600;

/** The state that all servers of the simulator share. */
export class World {
  readonly options: SimulatorOptions;
  readonly seed: number;
  readonly clock = new ServerClock();
  readonly switches = new Switches();
  readonly faults: Faults;
  readonly counters = new CallCounters();
  readonly rates: Rates;
  readonly client: Client;
  readonly accounts: Accounts;
  readonly contents: Contents;
  readonly signer: UrlSigner;
  readonly uploads = new ReceivedUploads();
  readonly spool = new UploadSpool();
  readonly late: LateWork;
  readonly company: SimulatedCompany;
  readonly otherCompany: SimulatedCompany;
  readonly projects: SimulatedProject[] = [];
  /** The Documents tool of the company itself. */
  companyDocuments: SimulatedProject | undefined;
  /** A project of the company that is not permitted, and one whose tool is off; they exist with `other-projects`. */
  readonly notPermitted = { id: FIRST_PROJECT + 900_001, name: 'Confidential Project' };
  readonly toolOff = { id: FIRST_PROJECT + 900_002, name: 'Project without Documents' };
  origins = { api: '', login: '', storage: '', admin: '' };
  /** The listeners of these origins, except `admin`. */
  readonly listeners: Listener[] = [];

  /** `failed` receives internal errors of work for which no request waits. */
  constructor(options: SimulatorOptions, failed: (error: unknown) => void = () => undefined) {
    this.options = options;
    this.late = new LateWork(failed);
    this.seed = seedOf(options.seed);
    this.faults = new Faults(new Random(mix(this.seed, 5)));
    this.faults.watch((name, setting) => {
      if (name === 'clock-skew') this.clock.offset = setting ? (setting.seconds ?? 86_400) * 1000 : 0;
      if (name === 'limit-changes' && !setting) this.rates.setHourly();
    });
    for (const text of options.switch) {
      const [name = '', value] = split(text);
      if (value === undefined) throw new Failure('usage', { what: `--switch is NAME=VALUE, not "${text}"` });
      this.switches.set(name, value);
    }
    this.rates = new Rates(this.clock, this.switches, options);
    for (const text of options.fault) {
      const [name = '', value] = split(text);
      this.faults.set(name, value === undefined ? 1 : Number(value));
    }
    const hex = (n: number) => mix(this.seed, n).toString(16).padStart(8, '0');
    this.client = { id: [11, 12, 13, 14].map(hex).join(''), secret: [21, 22, 23, 24].map(hex).join('') };
    this.accounts = new Accounts(new Map([[this.client.id, this.client.secret]]), options.tokenTtl);
    this.contents = new Contents(mix(this.seed, 6));
    this.signer = new UrlSigner(mix(this.seed, 7), options.urlTtl);
    this.uploads.startWithin = options.uploadTtl;
    this.company = { id: FIRST_COMPANY, name: 'Simulated Builders Inc.', connected: true };
    this.otherCompany = { id: FIRST_COMPANY + 64, name: 'Another Company', connected: false };
  }

  /** Makes the projects; throws the failure `usage` when `--from` cannot be read. */
  fill(): void {
    const { options } = this;
    for (let i = 0; i < options.projects; i++) {
      const same = this.switches.is('project-names', 'same');
      const name = i === 0 || same ? 'Harbour Tower' : `Harbour Tower ${i + 1}`;
      const from = i === 0 ? options.from : undefined;
      this.projects.push(this.#project(FIRST_PROJECT + i * 37, name, i, options.items, from));
    }
    const index = options.projects;
    this.companyDocuments = this.#project(0, this.company.name, index, Math.min(40, options.items), undefined);
  }

  person(index: number): Person {
    return people[index]!;
  }

  companyName(id: number): string {
    return id === this.otherCompany.id ? this.otherCompany.name : this.company.name;
  }

  /** The project with this id; without an id, the first project. */
  projectById(id: number | undefined): SimulatedProject | undefined {
    return id === undefined ? this.projects[0] : this.projects.find((project) => project.id === id);
  }

  projectByIndex(index: number): SimulatedProject | undefined {
    return index === this.projects.length ? this.companyDocuments : this.projects[index];
  }

  /** Returns a function that makes the download URLs of a project's versions; the URLs expire. */
  versionUrls(project: number): (version: number) => string {
    const paths = this.signer.paths(project);
    const { storage, api } = this.origins;
    const base = this.switches.is('url-form', 'signed') ? storage : `${api}/download`;
    return (version) => base + paths(version);
  }

  /** Waits for the configured latency and the fault `slow`. */
  async delay(slow: FaultSetting | undefined): Promise<void> {
    const ms = this.options.latency + (slow ? (slow.ms ?? 2000) : 0);
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  }

  #project(id: number, name: string, index: number, items: number, from: string | undefined): SimulatedProject {
    const company = this.company.id;
    try {
      return makeProject(this, { id, name, company, index, items, ...(from === undefined ? {} : { from }) });
    } catch (error) {
      if (from === undefined) throw error;
      throw new Failure('usage', { what: `the folder ${from} of --from cannot be read` }, error);
    }
  }
}

function split(text: string): [name: string, value: string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
