// fhir-kit-client (npm), unmodified.
import { Client } from "fhir-kit-client";
import { NAMES, SYSTEM, absolute, assert, base, created, fresh, pair, person, run } from "./steps.mjs";

const client = new Client({ baseUrl: base });
const resourceType = "Patient";
const mark = fresh();
let one;

await run([
  ["metadata", async () => {
    const statement = await client.capabilityStatement();
    assert(statement.fhirVersion === "4.0.1", "fhirVersion");
    return "capabilityStatement()";
  }],
  ["create", async () => {
    one = await client.create({ resourceType, body: person(mark, NAMES[0], { gender: "male" }) });
    assert(one.id, "an id");
    return "create()";
  }],
  ["read", async () => {
    const found = await client.read({ resourceType, id: one.id });
    assert(found.name[0].text === NAMES[0], "the name");
    return "read()";
  }],
  ["update", async () => {
    const found = await client.update({ resourceType, id: one.id, body: { ...one, gender: "female" } });
    assert(found.meta.versionId === "2", "version 2");
    return "update()";
  }],
  ["patch", async () => {
    const jsonPatch = [{ op: "replace", path: "/gender", value: "other" }];
    const found = await client.patch({ resourceType, id: one.id, jsonPatch });
    assert(found.gender === "other", "the gender");
    return "patch(), JSON Patch";
  }],
  ["search", async () => {
    const searchParams = { identifier: `${SYSTEM}|${mark}` };
    const found = await client.search({ resourceType, searchParams });
    assert(found.entry[0].resource.id === one.id, "the one");
    const posted = await client.search({ resourceType, searchParams, options: { postSearch: true } });
    assert(posted.entry.length === 1, "the one by POST");
    return "search() by GET and POST";
  }],
  ["paging", async () => {
    const code = fresh();
    for (const name of NAMES) {
      await client.create({ resourceType, body: person(fresh(), name, { meta: { tag: [{ code }] } }) });
    }
    let page = await client.search({ resourceType, searchParams: { _tag: code, _count: 3 } });
    const seen = [];
    while (page) {
      seen.push(...page.entry.map((entry) => entry.resource.name[0].text));
      absolute(page);
      page = await client.nextPage({ bundle: page });
    }
    assert(seen.sort().join() === [...NAMES].sort().join(), "every name once");
    return "nextPage() over 3 pages";
  }],
  ["conditional create", async () => {
    const value = fresh();
    const options = { headers: { "If-None-Exist": `identifier=${SYSTEM}|${value}` } };
    const first = await client.create({ resourceType, body: person(value), options });
    const second = await client.create({ resourceType, body: person(value), options });
    assert(first.id === second.id, "one patient");
    return "create() with the header";
  }],
  ["transaction", async () => {
    created(await client.transaction({ body: pair() }));
    return "transaction()";
  }],
  ["history", async () => {
    const versions = await client.history({ resourceType, id: one.id });
    assert(versions.entry.length === 3, "three versions");
    const first = await client.vread({ resourceType, id: one.id, version: "1" });
    assert(first.gender === "male", "the first version");
    assert((await client.history({ resourceType })).entry.length > 0, "a history of the type");
    assert((await client.history()).entry.length > 0, "a history of the system");
    return "history() of one, the type and the system, vread()";
  }],
  ["delete", async () => {
    await client.delete({ resourceType, id: one.id });
    return "delete()";
  }],
]);
