// Reads and claims through types that were made from the description: what it names wrongly does not compile.
import createClient from "openapi-fetch";
import type { components, paths } from "./described.js";

const [url, task, envelope] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url });

const open = await client.GET("/v1/tasks", { params: { query: { state: "open", limit: 100 } } });
const found: components["schemas"]["Task"] | undefined = open.data?.tasks.find((each) => each.task === task);
if (found === undefined) throw new Error("the task is not among the open ones");
const price: number = found.price_units;

const signed: components["schemas"]["Envelope"] = JSON.parse(envelope);
const claimed = await client.POST("/v1/claims", { body: signed });
if (claimed.data === undefined) throw new Error(claimed.error?.code);

const entries = await client.GET("/v1/entries", { params: { query: { kind: "claim.request", limit: 1 } } });
const opened = entries.data?.entries[0].events.find((each) => each.kind === "claim.opened");
if (opened?.kind !== "claim.opened") throw new Error("the claim is not the newest");
const worker: string = opened.worker;
console.log(JSON.stringify({ price, worker, claim: claimed.data.result.claim, opened: opened.claim }));
