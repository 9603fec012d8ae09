import { timestamp } from '../clock.js';
import { SERVICE_ACCOUNT } from '../generate/people.js';
import type { RouteReply } from '../http/reply.js';
import type { Call } from './call.js';
import { wholeNumber } from './filters.js';
import { readPage } from './paging.js';

/** `GET /rest/v1.0/me`. */
export function me(call: Call): RouteReply {
  const { id, login, name } = call.world.person(call.token.person);
  return { status: 200, body: { id, login, name } };
}

/** `GET /rest/v1.0/companies`. */
export function companies(call: Call): RouteReply {
  const { world } = call;
  const all = world.switches.is('other-company', 'present') ? [world.company, world.otherCompany] : [world.company];
  return paged(
    call,
    all.map(({ id, name }) => ({ id, is_active: true, logo_url: null, name, pcn_business_experience: null })),
  );
}

/** `GET /rest/v1.0/projects?company_id`. A service account sees only the projects that are permitted to it. */
export function projects(call: Call): RouteReply {
  const { world } = call;
  const text = call.url.searchParams.get('company_id');
  if (text === null) throw call.error(400, 'company_id is missing');
  if (wholeNumber('company_id', text) !== world.company.id) throw call.error(403, 'You are not permitted to do this.');
  const seen: { id: number; name: string }[] = [];
  if (!world.switches.is('project-access', 'not-permitted'))
    seen.push(...world.projects.filter(({ permitted }) => permitted));
  if (world.switches.is('other-projects', 'present')) {
    seen.push(world.toolOff);
    if (call.token.person !== SERVICE_ACCOUNT) seen.push(world.notPermitted);
  }
  const created = timestamp(Date.UTC(2023, 6, 1) / 1000);
  return paged(
    call,
    seen.map(({ id, name }, i) => ({
      id,
      name,
      display_name: `${i + 1} - ${name}`,
      project_number: String(i + 1),
      address: '1 Harbour Street',
      city: 'Hamburg',
      country_code: 'DE',
      zip: null,
      active: true,
      company: { id: world.company.id, name: world.company.name },
      created_at: created,
      updated_at: created,
      time_zone: 'Europe/Berlin',
    })),
  );
}

function paged(call: Call, rows: readonly object[]): RouteReply {
  const page = readPage(call.url, rows.length, call.world.switches);
  return { status: 200, headers: page.headers, body: rows.slice(page.start, page.end) };
}
