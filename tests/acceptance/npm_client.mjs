// Drives a server with the npm package `dify-client`: node npm_client.mjs BASE_URL API_KEY. Prints one JSON object.
import { CompletionClient } from "dify-client";

const [baseUrl, apiKey] = process.argv.slice(2);
const client = new CompletionClient(apiKey, baseUrl);
const inputs = { query: "from node" };

const parameters = await client.getApplicationParameters("node-user");
const blocking = await client.runWorkflow(inputs, "node-user", false);

const streaming = await client.runWorkflow(inputs, "node-user", true);
let text = "";
for await (const chunk of streaming.data) {
  text += chunk;
}
const events = text
  .split("\n")
  .filter((line) => line.startsWith("data: "))
  .map((line) => JSON.parse(line.slice("data: ".length)));

const refused = await client.runWorkflow({}, "node-user", false).catch((error) => error.response);

console.log(
  JSON.stringify({
    form: parameters.data.user_input_form,
    blocking: blocking.data,
    events,
    refused: { status: refused.status, body: refused.data },
  }),
);
