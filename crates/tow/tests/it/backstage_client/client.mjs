// Asks a platform everything that Backstage's published catalog client can ask, and holds the answers to the entities
// that were applied, to that package's own in-memory catalog, and to its types.
//
// node client.mjs BASE_URL TOKEN ENTITIES.json LOCATION_TARGET
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { CatalogClient, CATALOG_FILTER_EXISTS as EXISTS } from '@backstage/catalog-client';
import { InMemoryCatalogClient } from '@backstage/catalog-client/testUtils';

const [base, token, file, target] = process.argv.slice(2);
const applied = JSON.parse(readFileSync(file, 'utf8'));
const client = new CatalogClient({ discoveryApi: { getBaseUrl: async plugin => `${base}/api/${plugin}` } });
const as = { token };
let checks = 0;
const check = async (what, work) => {
  try {
    await work();
    checks += 1;
  } catch (error) {
    console.error(`FAILED: ${what}\n${error.stack}`);
    process.exit(1);
  }
};
const ref = e => `${e.kind}:${e.metadata.namespace ?? 'default'}/${e.metadata.name}`.toLowerCase();
const refs = items => items.map(ref);
const sorted = items => [...items].sort();
const status = async (code, name, work) => {
  await assert.rejects(work, error => {
    assert.equal(error.name, 'ResponseError', error.stack);
    assert.equal(error.statusCode, code, error.stack);
    assert.equal(error.body.error.name, name);
    assert.equal(typeof error.body.error.message, 'string');
    assert.equal(error.body.response.statusCode, code);
    assert.ok(error.body.request.method && error.body.request.url.startsWith('/'));
    return true;
  });
};

// Whole entities, as the oracle's own.
const all = (await client.getEntities({}, as)).items;
const oracle = new InMemoryCatalogClient({ entities: all });

await check('every entity is there as it was applied', async () => {
  const found = new Map(all.map(e => [ref(e), e]));
  for (const wanted of applied) {
    const entity = found.get(ref(wanted));
    assert.ok(entity, `${ref(wanted)} is missing`);
    assert.equal(entity.apiVersion, wanted.apiVersion);
    assert.equal(entity.kind, wanted.kind);
    assert.deepEqual(entity.spec, wanted.spec);
    const { uid, etag, ...metadata } = entity.metadata;
    assert.ok(typeof uid === 'string' && uid.length > 0 && typeof etag === 'string' && etag.length > 0);
    assert.deepEqual(metadata, { namespace: 'default', ...wanted.metadata });
    assert.ok(Array.isArray(entity.relations));
    const told = entity.relations.map(r => `${r.type} ${r.targetRef}`);
    assert.deepEqual(told, sorted(new Set(told)), 'relations are in order, each once');
    for (const key of Object.keys(entity)) {
      assert.ok(['apiVersion', 'kind', 'metadata', 'spec', 'relations', 'status'].includes(key), key);
    }
  }
  const kinds = new Set(all.map(e => e.kind));
  assert.ok(!kinds.has('Environment') && !kinds.has('Runtime'), "what is not the catalog's is not in it");
});

await check('relations come in pairs, to missing targets too', async () => {
  const web = await client.getEntityByRef('component:web-00', as);
  assert.deepEqual(web.relations, [
    { type: 'consumesApi', targetRef: 'api:default/missing' },
    { type: 'dependsOn', targetRef: 'component:default/web-01' },
    { type: 'dependsOn', targetRef: 'resource:default/db' },
    { type: 'ownedBy', targetRef: 'group:default/team-0' },
    { type: 'partOf', targetRef: 'system:default/shop' },
    { type: 'providesApi', targetRef: 'api:default/pay-0' },
  ]);
  const api = await client.getEntityByRef('api:pay-0', as);
  assert.ok(api.relations.some(r => r.type === 'apiProvidedBy' && r.targetRef === 'component:default/web-00'));
  const ann = await client.getEntityByRef('user:ann', as);
  assert.ok(ann.relations.some(r => r.type === 'memberOf' && r.targetRef === 'group:default/team-0'));
  const team = await client.getEntityByRef('group:team-0', as);
  assert.ok(team.relations.some(r => r.type === 'hasMember' && r.targetRef === 'user:default/ann'));
  assert.ok(team.relations.some(r => r.type === 'childOf' && r.targetRef === 'group:default/all'));
});

await check('one by reference and by name', async () => {
  const [one] = applied.filter(e => e.metadata.namespace === 'other');
  const found = await client.getEntityByRef(ref(one).toUpperCase().replace('OTHER/', 'other/'), as);
  assert.equal(ref(found), ref(one));
  assert.equal(await client.getEntityByRef('component:nobody', as), undefined);
  const named = await client.getEntityByName({ kind: 'Component', name: 'web-01' }, as);
  assert.equal(named.metadata.name, 'web-01');
  assert.equal(await client.getEntityByName({ kind: 'Component', name: 'no' }, as), undefined);
});

await check('many by reference', async () => {
  const asked = ['component:default/web-01', 'component:default/nobody', 'group:default/team-0', 'component:default/web-01'];
  const found = (await client.getEntitiesByRefs({ entityRefs: asked, fields: ['metadata.name', 'kind'] }, as)).items;
  assert.deepEqual(found, [
    { kind: 'Component', metadata: { name: 'web-01' } },
    undefined,
    { kind: 'Group', metadata: { name: 'team-0' } },
    { kind: 'Component', metadata: { name: 'web-01' } },
  ]);
  for (const request of [
    { entityRefs: asked, filter: { kind: 'group' } },
    { entityRefs: asked, query: { kind: 'component' } },
    { entityRefs: asked, query: { kind: 'component' }, filter: { 'metadata.name': 'nothing' } },
  ]) {
    const [ours, theirs] = [await client.getEntitiesByRefs(request, as), await oracle.getEntitiesByRefs(request)];
    assert.deepEqual(ours.items, theirs.items);
  }
  const many = Array.from({ length: 2500 }, (_, n) => `component:default/no-${n}`).concat('system:default/shop');
  const answer = (await client.getEntitiesByRefs({ entityRefs: many }, as)).items;
  assert.equal(answer.length, many.length);
  assert.equal(answer.at(-1).kind, 'System');
  assert.deepEqual((await client.getEntitiesByRefs({ entityRefs: [] }, as)).items, []);
});

// What clients ask for, in all its forms.
const filters = [
  undefined,
  {},
  { kind: 'Component' },
  { kind: 'component', 'spec.type': 'service' },
  { 'spec.type': ['service', 'WEBSITE'] },
  { kind: 'component', 'spec.lifecycle': ['production', 'experimental'] },
  { 'metadata.tags.java': EXISTS },
  { 'metadata.tags.java': 'true' },
  { 'metadata.tags': 'Java' },
  { 'metadata.annotations.example.org/tier': EXISTS },
  { 'metadata.annotations.example.org/tier': '1' },
  { 'metadata.labels.tier': 'b' },
  { 'relations.ownedBy': 'group:default/team-1' },
  { 'relations.OWNEDBY': ['group:default/team-1', 'group:default/team-2'] },
  { 'relations.ownerOf': 'component:default/web-03' },
  { 'relations.nothing': EXISTS },
  { 'spec.replicas': '3' },
  { 'spec.nested.deep': 'x' },
  { 'spec.nothing': EXISTS },
  { 'spec.empty': '' },
  { 'metadata.namespace': 'other' },
  [{ kind: 'group' }, { kind: 'user' }],
  [{ kind: 'component', 'spec.type': 'library' }, { kind: 'api', 'spec.lifecycle': 'production' }],
];
const queries = [
  {},
  { kind: 'component' },
  { $all: [{ kind: 'component' }, { 'spec.type': 'service' }] },
  { $any: [{ kind: 'group' }, { kind: 'user' }] },
  { $not: { kind: 'component' } },
  { kind: 'component', 'spec.type': { $in: ['service', 'library'] } },
  { 'spec.type': { $exists: false } },
  { 'spec.type': { $exists: true }, 'metadata.name': { $hasPrefix: 'WEB-0' } },
  { $all: [{ kind: 'component' }, { $not: { $any: [{ 'spec.type': 'service' }, { 'spec.lifecycle': 'production' }] } }] },
  { 'metadata.tags': { $contains: 'java' } },
  { relations: { $contains: { type: 'ownedBy', targetRef: 'group:default/team-1' } } },
  { relations: { $contains: { type: 'ownedBy', targetRef: { $in: ['group:default/team-1', 'group:default/team-2'] } } } },
  { relations: { $contains: { type: 'dependsOn' } } },
  { $any: [] },
  { $all: [] },
];
// Of each key one value at most, so that the oracle's order is the only one.
const orders = [
  undefined,
  { field: 'metadata.name', order: 'asc' },
  { field: 'metadata.name', order: 'desc' },
  { field: 'spec.rank', order: 'asc' },
  { field: 'spec.rank', order: 'desc' },
];
const fieldsets = [undefined, ['metadata.name'], ['kind', 'metadata.annotations.example.org/tier', 'spec.nothing', 'relations']];

await check('plain lists', async () => {
  for (const filter of filters) {
    for (const fields of fieldsets) {
      const [ours, theirs] = [await client.getEntities({ filter, fields }, as), await oracle.getEntities({ filter, fields })];
      const text = items => sorted(items.map(i => JSON.stringify(i)));
      const keyed = items => text(items.map(i => (fields ? sortKeys(i) : ref(i))));
      assert.deepEqual(keyed(ours.items), keyed(theirs.items), JSON.stringify({ filter, fields }));
    }
  }
  for (const order of [{ field: 'metadata.name', order: 'asc' }, { field: 'spec.rank', order: 'desc' }]) {
    const filter = { kind: 'component' };
    const whole = (await oracle.getEntities({ filter, order })).items;
    for (const [limit, offset] of [[3, 0], [7, 5], [1000, 2]]) {
      const found = (await client.getEntities({ filter, order, limit, offset }, as)).items;
      const rank = e => e.spec.rank ?? null;
      assert.deepEqual(found.map(rank), whole.slice(offset, offset + limit).map(rank));
    }
  }
  const paged = await fetch(`${base}/api/catalog/entities?limit=2&filter=kind%3Dgroup`, { headers: { authorization: `Bearer ${token}` } });
  const first = refs(await paged.json());
  const link = paged.headers.get('link');
  assert.match(link, /^<\/entities\?.*after=.*>; rel="next"$/);
  const next = await fetch(`${base}/api/catalog${link.slice(1, link.indexOf('>'))}`, { headers: { authorization: `Bearer ${token}` } });
  const second = refs(await next.json());
  assert.deepEqual([...first, ...second], refs(all.filter(e => e.kind === 'Group')).sort().slice(0, first.length + second.length));
});

function sortKeys(value) {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.keys(value).sort().map(key => [key, sortKeys(value[key])]));
  }
  return value;
}

await check('queries with filters, orders, fields, totals, and their pages', async () => {
  for (const [at, filter] of filters.entries()) {
    const orderFields = orders[at % orders.length];
    const fields = fieldsets[at % fieldsets.length];
    const whole = await oracle.queryEntities({ filter, orderFields });
    const request = { filter, orderFields, fields, limit: 4 };
    let page = await client.queryEntities(request, as);
    assert.equal(page.totalItems, whole.totalItems, JSON.stringify(request));
    assert.equal(page.pageInfo.prevCursor, undefined);
    const pages = [page];
    while (page.pageInfo.nextCursor) {
      page = await client.queryEntities({ cursor: page.pageInfo.nextCursor, limit: 4, fields }, as);
      assert.equal(page.totalItems, whole.totalItems);
      assert.ok(page.pageInfo.prevCursor, 'a later page shows the way back');
      pages.push(page);
    }
    const got = pages.flatMap(p => p.items);
    if (fields) {
      assert.equal(got.length, whole.totalItems);
    } else {
      assert.deepEqual(sorted(refs(got)), sorted(refs(whole.items)), JSON.stringify(request));
      if (orderFields?.field === 'metadata.name') {
        assert.deepEqual(got.map(e => e.metadata.name.toLowerCase()), whole.items.map(e => e.metadata.name.toLowerCase()));
      }
    }
    if (pages.length > 1) {
      const back = await client.queryEntities({ cursor: pages[1].pageInfo.prevCursor, limit: 4, fields }, as);
      assert.deepEqual(back.items, pages[0].items, 'the page before is the page that was');
      assert.equal(back.pageInfo.prevCursor, undefined);
      assert.ok(back.pageInfo.nextCursor);
    }
  }
});

await check('predicates, and their pages', async () => {
  for (const [at, query] of queries.entries()) {
    const orderFields = orders[at % orders.length];
    const whole = await oracle.queryEntities({ query, orderFields });
    let page = await client.queryEntities({ query, orderFields, limit: 5 }, as);
    assert.equal(page.totalItems, whole.totalItems, JSON.stringify(query));
    const got = [...page.items];
    while (page.pageInfo.nextCursor) {
      page = await client.queryEntities({ cursor: page.pageInfo.nextCursor, limit: 5 }, as);
      got.push(...page.items);
    }
    assert.deepEqual(sorted(refs(got)), sorted(refs(whole.items)), JSON.stringify(query));
  }
  const both = { query: { kind: 'component' }, filter: { 'spec.type': 'service' }, limit: 100 };
  const whole = await oracle.queryEntities(both);
  assert.deepEqual(sorted(refs((await client.queryEntities(both, as)).items)), sorted(refs(whole.items)));
  const many = { query: { 'metadata.name': { $in: Array.from({ length: 3000 }, (_, n) => `web-${n % 40}-${n}`).concat('web-01', 'web-02', 'web-03') } }, limit: 2 };
  const first = await client.queryEntities(many, as);
  assert.equal(first.totalItems, 3);
  const second = await client.queryEntities({ cursor: first.pageInfo.nextCursor, limit: 2 }, as);
  assert.equal(second.items.length, 1, 'a long question is carried on in a body');
});

await check('what lacks the key it is ordered by comes last and is not left out', async () => {
  for (const order of ['asc', 'desc']) {
    const request = { filter: { kind: 'component' }, orderFields: { field: 'spec.rank', order }, limit: 1000 };
    const ours = (await client.queryEntities(request, as)).items.map(e => e.spec.rank ?? null);
    const theirs = (await oracle.queryEntities(request)).items.map(e => e.spec.rank ?? null);
    assert.deepEqual(ours, theirs);
    assert.ok(ours.includes(null) && ours.at(-1) === null);
  }
});

await check('text in fields, totals left out, offsets, limits', async () => {
  for (const fullTextFilter of [
    { term: ' EB-0 ', fields: ['metadata.name'] },
    { term: 'team', fields: ['spec.owner', 'metadata.title'] },
    { term: '%', fields: ['metadata.name'] },
  ]) {
    const request = { fullTextFilter, filter: { kind: 'component' }, limit: 1000 };
    const [ours, theirs] = [await client.queryEntities(request, as), await oracle.queryEntities(request)];
    assert.deepEqual(sorted(refs(ours.items)), sorted(refs(theirs.items)), JSON.stringify(fullTextFilter));
    assert.equal(ours.totalItems, theirs.totalItems);
  }
  const ordered = { fullTextFilter: { term: 'b-1' }, orderFields: { field: 'metadata.name', order: 'asc' }, limit: 100 };
  assert.deepEqual(refs((await client.queryEntities(ordered, as)).items), refs((await oracle.queryEntities(ordered)).items));
  const none = await client.queryEntities({ totalItems: 'exclude', limit: 1 }, as);
  assert.equal(none.totalItems, 0);
  assert.equal(none.items.length, 1);
  const nothing = await client.queryEntities({ limit: 0 }, as);
  assert.deepEqual(nothing, { items: [], totalItems: all.length, pageInfo: {} });
  const name = { field: 'metadata.name', order: 'asc' };
  const offset = { filter: { kind: 'component' }, orderFields: name, offset: 3, limit: 2 };
  assert.deepEqual((await client.queryEntities(offset, as)).items.map(e => e.metadata.name.toLowerCase()), (await oracle.queryEntities(offset)).items.map(e => e.metadata.name.toLowerCase()));
});

await check('streams', async () => {
  let got = [];
  for await (const page of client.streamEntities({ pageSize: 7, filter: { kind: 'component' } }, as)) got.push(...page);
  assert.deepEqual(sorted(refs(got)), sorted(refs(all.filter(e => e.kind === 'Component'))));
  got = [];
  for await (const page of client.streamEntities({ pageSize: 7, query: { kind: 'nothing' } }, as)) got.push(page);
  assert.deepEqual(got, [[]]);
});

await check('facets', async () => {
  const facets = ['kind', 'spec.type', 'metadata.tags', 'metadata.tags.java', 'metadata.namespace', 'relations.ownedBy', 'metadata.annotations.example.org/tier', 'spec.nothing', 'Metadata.Labels.Tier'];
  const byValue = list => [...list].sort((a, b) => (a.value < b.value ? -1 : 1));
  for (const request of [{ facets }, { facets, filter: { kind: 'component' } }, { facets, filter: [{ kind: 'api' }, { 'spec.type': 'service' }] }, { facets, query: { $not: { kind: 'component' } } }]) {
    const ours = (await client.getEntityFacets(request, as)).facets;
    const theirs = (await oracle.getEntityFacets(request)).facets;
    assert.deepEqual(Object.keys(ours), facets);
    for (const facet of facets) {
      assert.deepEqual(ours[facet], byValue(theirs[facet]), `${facet} ${JSON.stringify(request)}`);
    }
  }
});

await check('ancestors', async () => {
  const found = await client.getEntityAncestors({ entityRef: 'component:default/web-01' }, as);
  assert.equal(found.rootEntityRef, 'component:default/web-01');
  assert.equal(ref(found.items[0].entity), 'component:default/web-01');
  assert.deepEqual(found.items[0].parentEntityRefs, []);
  await status(404, 'NotFoundError', () => client.getEntityAncestors({ entityRef: 'component:default/nobody' }, as));
});

await check('judging an entity', async () => {
  const entity = { apiVersion: 'backstage.io/v1alpha1', kind: 'Component', metadata: { name: 'fine' }, spec: { type: 'a', lifecycle: 'b', owner: 'c' } };
  assert.deepEqual(await client.validateEntity(entity, 'url:https://example.org/x.yaml', as), { valid: true });
  const bad = await client.validateEntity({ ...entity, spec: { type: 'a' } }, 'url:https://example.org/x.yaml', as);
  assert.equal(bad.valid, false);
  assert.ok(bad.errors.length > 0 && bad.errors.every(e => typeof e.name === 'string' && typeof e.message === 'string'));
  assert.ok(bad.errors.some(e => e.message.includes('owner')));
  const place = await client.validateEntity(entity, 'file:/etc/passwd', as);
  assert.equal(place.valid, false);
  assert.match(place.errors[0].message, /Invalid location ref/);
  const foreign = await client.validateEntity({ ...entity, kind: 'Wizard' }, 'url:https://example.org/x.yaml', as);
  assert.equal(foreign.valid, false);
  assert.equal(await client.getEntityByRef('component:fine', as), undefined, 'nothing was kept');
});

await check('locations', async () => {
  assert.deepEqual((await client.getLocations({}, as)).items, []);
  const made = await client.addLocation({ type: 'url', target }, as);
  assert.equal(made.location.type, 'url');
  assert.equal(made.location.target, target);
  assert.match(made.location.entityRef, /^location:default\/generated-/);
  assert.deepEqual(made.entities, []);
  await status(409, 'ConflictError', () => client.addLocation({ type: 'url', target }, as));
  const again = await client.addLocation({ type: 'url', target, onConflict: 'refresh' }, as);
  assert.deepEqual(again.location, made.location);
  const { id } = made.location;
  assert.deepEqual((await client.getLocations({}, as)).items, [made.location]);
  assert.deepEqual(await client.getLocationById(id, as), made.location);
  assert.equal(await client.getLocationById('nothing', as), undefined);
  assert.deepEqual(await client.getLocationByRef(`url:${target}`, as), made.location);
  assert.deepEqual(await client.getLocationByEntity(made.location.entityRef, as), made.location);
  assert.equal(await client.getLocationByEntity('component:default/web-01', as), undefined);
  const second = await client.addLocation({ type: 'url', target: `${target}-2` }, as);
  const found = await client.queryLocations({ query: { type: 'URL' }, limit: 1 }, as);
  assert.equal(found.totalItems, 2);
  assert.equal(found.items.length, 1);
  const rest = await client.queryLocations({ cursor: found.pageInfo.nextCursor }, as);
  assert.deepEqual(sorted([...found.items, ...rest.items].map(l => l.id)), sorted([id, second.location.id]));
  assert.equal((await client.queryLocations({ query: { target: { $hasPrefix: `${target}-` } } }, as)).totalItems, 1);
  await status(400, 'InputError', () => client.queryLocations({ query: { nothing: 'a' } }, as));
  let streamed = [];
  for await (const page of client.streamLocations({ limit: 1 }, as)) streamed.push(...page);
  assert.equal(streamed.length, 2);
  const moved = await client.updateLocation(id, { type: 'url', target: `${target}-3` }, as);
  assert.equal(moved.target, `${target}-3`);
  assert.equal(moved.entityRef, made.location.entityRef);
  await status(409, 'ConflictError', () => client.updateLocation(id, { type: 'url', target: `${target}-2` }, as));
  await client.refreshEntity(moved.entityRef, as);
  await client.refreshEntity('component:default/web-01', as);
  await status(404, 'NotFoundError', () => client.refreshEntity('component:default/nobody', as));
  await status(400, 'InputError', () => client.addLocation({ type: 'nonsense', target }, as));
  await client.removeLocationById(id, as);
  await client.removeLocationById(second.location.id, as);
  await status(404, 'NotFoundError', () => client.removeLocationById(id, as));
  assert.deepEqual((await client.getLocations({}, as)).items, []);
  const guess = await client.analyzeLocation({ location: { type: 'url', target: 'https://github.com/acme/web.git' } }, as);
  assert.deepEqual(guess.existingEntityFiles, []);
  assert.equal(guess.generateEntities[0].entity.metadata.name, 'web');
  assert.deepEqual(guess.generateEntities[0].fields, []);
});

await check('by uid, and taking one away', async () => {
  const one = all.find(e => e.metadata.name === 'web-39');
  const answer = await fetch(`${base}/api/catalog/entities/by-uid/${one.metadata.uid}`, { headers: { authorization: `Bearer ${token}` } });
  assert.deepEqual(await answer.json(), one);
  await client.removeEntityByUid(one.metadata.uid, as);
  assert.equal(await client.getEntityByRef(ref(one), as), undefined);
  await client.removeEntityByUid(one.metadata.uid, as);
});

await check('what is asked wrongly is refused as there', async () => {
  const raw = async (path, init = {}) => {
    const answer = await fetch(`${base}/api/catalog${path}`, { ...init, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } });
    assert.match(answer.headers.get('content-type'), /^application\/json/);
    return [answer.status, (await answer.json()).error?.name];
  };
  const post = body => ({ method: 'POST', body: JSON.stringify(body) });
  const input = [400, 'InputError'];
  for (const [path, init] of [
    ['/entities/by-query?nonsense=1'],
    ['/entities/by-query?filter='],
    ['/entities/by-query?filter=%3Da'],
    ['/entities/by-query?limit=-1'],
    ['/entities/by-query?limit=x'],
    ['/entities/by-query?totalItems=maybe'],
    ['/entities/by-query?orderField=metadata.name,down'],
    ['/entities/by-query?cursor=nonsense'],
    ['/entities/by-query?fields=a[0]'],
    ['/entities?limit=0'],
    ['/entities?offset=-1'],
    ['/entities?order=name'],
    ['/entities?after=x'],
    ['/entity-facets'],
    ['/entities/by-query', post({ query: 'x' })],
    ['/entities/by-query', post({ query: { $foo: 1 } })],
    ['/entities/by-query', post({ query: { kind: { $not: 'a' } } })],
    ['/entities/by-query', post({ limit: '5' })],
    ['/entities/by-query', post({ cursor: '' })],
    ['/entities/by-refs', post({})],
    ['/entity-facets', post({ facets: [] })],
    ['/validate-entity', post({ entity: {} })],
    ['/refresh', post({})],
    ['/locations', post({ type: 'url' })],
    ['/locations', post({ type: 'url', target, extra: 1 })],
    ['/locations/by-query', post({ limit: 0 })],
    ['/analyze-location', post({ location: { target: 'nonsense' } })],
    ['/entities/by-query', { method: 'POST', body: '{' }],
  ]) {
    assert.deepEqual(await raw(path, init), input, `${path} ${init?.body ?? ''}`);
  }
  assert.deepEqual(await raw('/entities/by-uid/none'), [404, 'NotFoundError']);
  assert.deepEqual(await raw('/entities/by-name/component/default/none'), [404, 'NotFoundError']);
  await status(401, 'AuthenticationError', () => client.getEntities({}, { token: 'nonsense' }));
  await status(401, 'AuthenticationError', () => client.queryEntities({}));
});

console.log(`measured: ${checks} subjects asked by Backstage's catalog client, ${all.length} entities`);
