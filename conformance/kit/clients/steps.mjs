// How a JavaScript client tells what it found: one line of JSON for each step, on standard output.
import { randomUUID } from "node:crypto";

export const SYSTEM = "urn:conformance";
export const NAMES = ["张伟", "李娜", "王芳", "刘洋", "陈静", "杨磊", "赵敏"]; // invented
export const base = process.argv[2].replace(/\/+$/, "");
export const fresh = () => randomUUID();

export const person = (value, name = NAMES[0], more = {}) => ({
  resourceType: "Patient",
  identifier: [{ system: SYSTEM, value }],
  name: [{ text: name }],
  ...more,
});

export const pair = () => {
  const place = `urn:uuid:${fresh()}`;
  const subject = { reference: place };
  return {
    resourceType: "Bundle",
    type: "transaction",
    entry: [
      { fullUrl: place, resource: person(fresh()), request: { method: "POST", url: "Patient" } },
      { resource: { resourceType: "Condition", subject }, request: { method: "POST", url: "Condition" } },
    ],
  };
};

export function assert(truth, what) {
  if (!truth) throw new Error(`not so: ${what}`);
}

// A next link that is not absolute breaks three of the clients.
export function absolute(bundle) {
  for (const link of bundle.link) assert(link.url.startsWith(base), `link ${link.relation} is absolute`);
}

export function created(bundle) {
  const statuses = bundle.entry.map((entry) => entry.response.status.slice(0, 3)).join();
  assert(statuses === "201,201", `201,201 but ${statuses}`);
}

export async function run(steps) {
  for (const [step, perform] of steps) {
    try {
      console.log(JSON.stringify({ step, ok: true, detail: (await perform()) ?? "" }));
    } catch (error) {
      const outcome = error?.response?.data ?? error?.outcome ?? "";
      const detail = `${error?.name ?? "Error"}: ${error?.message ?? error} ${outcome && JSON.stringify(outcome)}`;
      console.log(JSON.stringify({ step, ok: false, detail: detail.slice(0, 300) }));
    }
  }
}
