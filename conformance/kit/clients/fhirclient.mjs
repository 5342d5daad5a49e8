// SMART's fhirclient (npm), unmodified.
import smart from "fhirclient";
import { NAMES, SYSTEM, absolute, assert, base, created, fresh, pair, person, run } from "./steps.mjs";

const request = { headers: { host: "localhost" }, url: "/", method: "GET", connection: {} };
const response = {};
const client = smart(request, response).client({ serverUrl: base });
const mark = fresh();
const json = { "Content-Type": "application/fhir+json" };
let one;

await run([
  ["metadata", async () => {
    const version = await client.getFhirVersion();
    assert(version === "4.0.1", "fhirVersion");
    return "getFhirVersion()";
  }],
  ["create", async () => {
    one = await client.create(person(mark, NAMES[0], { gender: "male" }));
    assert(one.id, "an id");
    return "create()";
  }],
  ["read", async () => {
    const found = await client.request(`Patient/${one.id}`);
    assert(found.name[0].text === NAMES[0], "the name");
    return "request()";
  }],
  ["update", async () => {
    const found = await client.update({ ...one, gender: "female" });
    assert(found.meta.versionId === "2", "version 2");
    return "update()";
  }],
  ["patch", async () => {
    const found = await client.patch(`Patient/${one.id}`, [{ op: "replace", path: "/gender", value: "other" }]);
    // It asks with Prefer: return=presentation, which no version of FHIR knows.
    assert(found.gender === "other", "the gender");
    return "patch(), JSON Patch, Prefer: return=presentation";
  }],
  ["search", async () => {
    const found = await client.request(`Patient?identifier=${SYSTEM}|${mark}`, { flat: true });
    assert(found[0].id === one.id, "the one");
    return "request()";
  }],
  ["paging", async () => {
    const code = fresh();
    for (const name of NAMES) await client.create(person(fresh(), name, { meta: { tag: [{ code }] } }));
    absolute(await client.request(`Patient?_tag=${code}&_count=3`));
    const found = await client.request(`Patient?_tag=${code}&_count=3`, { pageLimit: 0, flat: true });
    assert(found.map((resource) => resource.name[0].text).sort().join() === [...NAMES].sort().join(), "every name once");
    return "request({pageLimit: 0}) over 3 pages";
  }],
  ["conditional create", async () => {
    const value = fresh();
    const headers = { ...json, "If-None-Exist": `identifier=${SYSTEM}|${value}` };
    const create = () => client.request({ url: "Patient", method: "POST", body: JSON.stringify(person(value)), headers });
    assert((await create()).id === (await create()).id, "one patient");
    return "no call of its own; request() with the header";
  }],
  ["transaction", async () => {
    created(await client.request({ url: "", method: "POST", body: JSON.stringify(pair()), headers: json }));
    return "no call of its own; request()";
  }],
  ["history", async () => {
    const versions = await client.request(`Patient/${one.id}/_history`);
    assert(versions.entry.length === 3, "three versions");
    const first = await client.request(`Patient/${one.id}/_history/1`);
    assert(first.gender === "male", "the first version");
    return "no call of its own; request()";
  }],
  ["delete", async () => {
    await client.delete(`Patient/${one.id}`);
    return "delete()";
  }],
]);
