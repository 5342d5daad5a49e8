// @medplum/core (npm), unmodified.
import { MedplumClient } from "@medplum/core";
import { NAMES, SYSTEM, assert, base, created, fresh, pair, person, run } from "./steps.mjs";

const { origin, pathname } = new URL(base);
const client = new MedplumClient({ baseUrl: `${origin}/`, fhirUrlPath: pathname.slice(1), cacheTime: 0 });
const mark = fresh();
let one;

await run([
  ["metadata", async () => {
    const statement = await client.get(client.fhirUrl("metadata"));
    assert(statement.fhirVersion === "4.0.1", "fhirVersion");
    return "no call of its own; get()";
  }],
  ["create", async () => {
    one = await client.createResource(person(mark, NAMES[0], { gender: "male" }));
    assert(one.id, "an id");
    return "createResource()";
  }],
  ["read", async () => {
    const found = await client.readResource("Patient", one.id);
    assert(found.name[0].text === NAMES[0], "the name");
    return "readResource()";
  }],
  ["update", async () => {
    const found = await client.updateResource({ ...one, gender: "female" });
    assert(found.meta.versionId === "2", "version 2");
    return "updateResource()";
  }],
  ["patch", async () => {
    const found = await client.patchResource("Patient", one.id, [{ op: "replace", path: "/gender", value: "other" }]);
    assert(found.gender === "other", "the gender");
    return "patchResource(), JSON Patch";
  }],
  ["search", async () => {
    const found = await client.searchOne("Patient", { identifier: `${SYSTEM}|${mark}` });
    assert(found.id === one.id, "the one");
    return "searchOne()";
  }],
  ["paging", async () => {
    const code = fresh();
    for (const name of NAMES) await client.createResource(person(fresh(), name, { meta: { tag: [{ code }] } }));
    const seen = [];
    for await (const page of client.searchResourcePages("Patient", { _tag: code, _count: "3" })) {
      seen.push(...page.map((resource) => resource.name[0].text));
    }
    assert(seen.sort().join() === [...NAMES].sort().join(), "every name once");
    return "searchResourcePages() over 3 pages";
  }],
  ["conditional create", async () => {
    const value = fresh();
    const query = `identifier=${SYSTEM}|${value}`;
    const first = await client.createResourceIfNoneExist(person(value), query);
    const second = await client.createResourceIfNoneExist(person(value), query);
    assert(first.id === second.id, "one patient");
    const changed = await client.upsertResource(person(value, NAMES[1]), query);
    assert(changed.id === first.id, "the same by upsert");
    return "createResourceIfNoneExist(), upsertResource()";
  }],
  ["transaction", async () => {
    created(await client.executeBatch(pair()));
    return "executeBatch()";
  }],
  ["history", async () => {
    const versions = await client.readHistory("Patient", one.id);
    assert(versions.entry.length === 3, "three versions");
    const first = await client.readVersion("Patient", one.id, "1");
    assert(first.gender === "male", "the first version");
    return "readHistory(), readVersion()";
  }],
  ["delete", async () => {
    await client.deleteResource("Patient", one.id);
    return "deleteResource()";
  }],
]);
