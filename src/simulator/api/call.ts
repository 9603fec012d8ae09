import type { IncomingMessage } from 'node:http';
import { readBody } from '../http/body.js';
import { plainError, type RouteReply } from '../http/reply.js';
import type { AccessToken } from '../login/accounts.js';
import type { SimulatedProject } from '../project.js';
import type { World } from '../world.js';
import { wholeNumber } from './filters.js';
import { Renderer } from './render.js';

/** One call of the API that has passed sign-in, rate limits and company header. */
export class Call {
  readonly world: World;
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly params: Readonly<Record<string, string>>;
  readonly token: AccessToken;

  constructor(
    world: World,
    request: IncomingMessage,
    url: URL,
    params: Readonly<Record<string, string>>,
    token: AccessToken,
  ) {
    this.world = world;
    this.request = request;
    this.url = url;
    this.params = params;
    this.token = token;
  }

  /** A numeric parameter of the path; throws 404 if it is not a number. */
  number(name: string): number {
    const text = this.params[name] ?? '';
    if (!/^\d{1,16}$/.test(text)) throw this.error(404, 'Not Found');
    return Number(text);
  }

  /** Whether a flag in the query is `true`. */
  flag(name: string): boolean {
    return /^(true|1)$/i.test(this.url.searchParams.get(name) ?? '');
  }

  error(status: number, text: string): Error {
    return plainError(this.world.switches, status, text);
  }

  /**
   * The documents that the call addresses: of the company or project in the path, or of `project_id` in the query.
   * Throws 400, 403 or 404.
   */
  project(writes = false): SimulatedProject {
    if (this.params.company !== undefined && this.params.project === undefined) return this.#companyDocuments();
    if (this.params.company !== undefined && this.number('company') !== this.world.company.id)
      throw this.error(404, 'Company not found');
    const text = this.params.project ?? this.url.searchParams.get('project_id');
    if (text === null) throw this.error(400, 'project_id is missing');
    const id = wholeNumber('project_id', text);
    const { world } = this;
    const others = world.switches.is('other-projects', 'present');
    if (others && id === world.notPermitted.id) throw this.error(403, 'You are not permitted to access this project.');
    if (others && id === world.toolOff.id) throw this.error(403, 'The Documents tool is not enabled on this project.');
    const project = world.projectById(id);
    if (!project) throw this.error(404, 'Project not found');
    if (!project.permitted) throw this.error(403, 'You are not permitted to access this project.');
    switch (world.switches.get('project-access')) {
      case 'not-permitted':
        throw this.error(403, 'You are not permitted to access this project.');
      case 'tool-off':
        throw this.error(403, 'The Documents tool is not enabled on this project.');
      case 'read':
        if (writes) throw this.error(403, 'You do not have permission to perform this action.');
    }
    return project;
  }

  renderer(project: SimulatedProject): Renderer {
    return new Renderer(this.world, project);
  }

  /** The body as a JSON object; throws 400 if it is not one. */
  async json(): Promise<Record<string, unknown>> {
    const body = await readBody(this.request);
    try {
      const parsed: unknown = JSON.parse(body.toString());
      if (parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed))
        return parsed as Record<string, unknown>;
    } catch {
      // Invalid JSON gets the same error as JSON that is not an object.
    }
    throw this.error(400, 'There was a problem in the JSON you submitted');
  }

  #companyDocuments(): SimulatedProject {
    if (this.number('company') !== this.world.company.id) throw this.error(404, 'Company not found');
    return this.world.companyDocuments!;
  }
}

export type ApiRoute = (call: Call) => RouteReply | Promise<RouteReply>;
