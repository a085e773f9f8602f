// OpenAI's client against a gateway, as a program would use it: one line of JSON for each check.
// Arguments: 6 or 7 for the version, the address of /v1, a key, and which half: whole or broken.
// Fails at the first check that does not hold.

import assert from "node:assert/strict";

const [version, baseURL, apiKey, half] = process.argv.slice(2);
const sdk = await import(`openai${version}`);
const OpenAI = sdk.default;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "esper-t0";
const messages = [{ role: "user", content: "The little dog" }];
const ANSWER = " was a little boy named Tim. He loved to play";
const TO_TIM = " was a little boy named ";

async function textOf(stream, piece) {
  let text = "";
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    text += piece(chunk) ?? "";
  }
  return { text, chunks };
}

const ofChat = (chunk) => chunk.choices[0].delta.content;
const ofCompletion = (chunk) => chunk.choices[0].text;
const ofResponse = (event) => (event.type === "response.output_text.delta" ? event.delta : "");

const chat = (more, options) => client.chat.completions.create({ model, messages, ...more }, options);
const completion = (more) => client.completions.create({ model, prompt: "The little dog", ...more });
const response = (more) => client.responses.create({ model, input: "The little dog", ...more });

const whole = {
  async models() {
    const found = [];
    for await (const one of client.models.list()) found.push(one.id);
    assert.deepEqual(found, [model]);
    assert.equal((await client.models.retrieve(model)).owned_by, "esper");
  },

  async chat() {
    const { data, response: raw } = await chat().withResponse();
    assert.equal(data.choices[0].message.content, ANSWER);
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(raw.headers.get("x-esper-receipt"), data.esper.receipt);
    assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
    const cut = await chat({ max_completion_tokens: 4 });
    assert.equal(cut.choices[0].message.content, ANSWER.slice(0, 4));
    assert.equal(cut.choices[0].finish_reason, "length");
    const stopped = await chat({ stop: ["Tim"] });
    assert.equal(stopped.choices[0].message.content, TO_TIM);
  },

  async chatLogprobs() {
    const found = await chat({ max_tokens: 3, logprobs: true, top_logprobs: 2 });
    const content = found.choices[0].logprobs.content;
    assert.equal(content.map((one) => one.token).join(""), ANSWER.slice(0, 3));
    assert.ok(content.every((one) => one.logprob <= 0 && one.top_logprobs.length === 2));
  },

  async chatParts() {
    const parts = [{ type: "text", text: "The little dog" }];
    const found = await chat({ messages: [{ role: "developer", content: "Be short." }, { role: "user", content: parts }] });
    assert.equal(found.choices[0].message.content, ANSWER);
  },

  async chatStream() {
    const { text, chunks } = await textOf(await chat({ stream: true }), ofChat);
    assert.equal(text, ANSWER);
    assert.equal(new Set(chunks.map((one) => one.id)).size, 1);
    assert.equal(chunks.filter((one) => one.choices[0].delta.role !== undefined).length, 1);
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
    assert.equal(chunks.at(-1).esper.status, "instant");
    const stopped = await textOf(await chat({ stream: true, stop: "Tim" }), ofChat);
    assert.equal(stopped.text, TO_TIM);
    const counted = await chat({ stream: true, stream_options: { include_usage: true } });
    const all = await textOf(counted, (chunk) => chunk.choices[0]?.delta.content);
    assert.deepEqual(all.chunks.at(-1).choices, []);
    assert.ok(all.chunks.at(-1).usage.completion_tokens > 0);
  },

  async chatStreamHelper() {
    const runner = client.chat.completions.stream({ model, messages });
    assert.equal(await runner.finalContent(), ANSWER);
    assert.equal((await runner.finalChatCompletion()).choices[0].finish_reason, "stop");
  },

  async completion() {
    const found = await completion({ max_tokens: 4, logprobs: 1 });
    assert.equal(found.choices[0].text, ANSWER.slice(0, 4));
    assert.equal(found.choices[0].finish_reason, "length");
    assert.equal(found.choices[0].logprobs.tokens.join(""), ANSWER.slice(0, 4));
    assert.equal((await completion({ prompt: [7, 8], stop: "Tim" })).choices[0].text, TO_TIM);
  },

  async completionStream() {
    const { text, chunks } = await textOf(await completion({ stream: true }), ofCompletion);
    assert.equal(text, ANSWER);
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  },

  async response() {
    const found = await response({ instructions: "Be short." });
    assert.equal(found.output_text, ANSWER);
    assert.equal(found.status, "completed");
    const cut = await response({ max_output_tokens: 3 });
    assert.equal(cut.output_text, ANSWER.slice(0, 3));
    assert.equal(cut.status, "incomplete");
    assert.equal(cut.incomplete_details.reason, "max_output_tokens");
    const told = await response({ include: ["message.output_text.logprobs"], top_logprobs: 1, max_output_tokens: 3 });
    assert.equal(told.output[0].content[0].logprobs.length, 3);
  },

  async responseStream() {
    const { text, chunks } = await textOf(await response({ stream: true }), ofResponse);
    assert.equal(text, ANSWER);
    assert.deepEqual(chunks.map((one) => one.sequence_number), chunks.map((_, at) => at));
    assert.equal(chunks[0].type, "response.created");
    assert.equal(chunks.at(-1).type, "response.completed");
  },

  async responseStreamHelper() {
    const runner = client.responses.stream({ model, input: "The little dog" });
    // Version 6 adds no output_text to what its helper returns.
    assert.equal((await runner.finalResponse()).output[0].content[0].text, ANSWER);
  },

  async fieldsThatChangeNothing() {
    const more = { seed: 7, user: "u", metadata: { a: "b" }, store: false, service_tier: "auto", temperature: 0, top_p: 1, n: 1, parallel_tool_calls: true, tool_choice: "auto" };
    assert.equal((await chat(more)).choices[0].message.content, ANSWER);
  },

  async refusals() {
    await assert.rejects(chat({ temperature: 0.7 }), (error) => {
      assert.ok(error instanceof sdk.BadRequestError);
      assert.deepEqual([error.code, error.param, error.type], ["unsupported_value", "temperature", "invalid_request_error"]);
      return true;
    });
    const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
    const bad = [{ tools }, { n: 2 }, { response_format: { type: "json_object" } }, { zzz: 1 }, { stop: "" }, { max_tokens: 0 }];
    for (const more of bad) await assert.rejects(chat(more), sdk.BadRequestError, JSON.stringify(more));
    await assert.rejects(response({ previous_response_id: "resp_1" }), sdk.BadRequestError);
    await assert.rejects(response({ store: true }), sdk.BadRequestError);
    await assert.rejects(completion({ echo: true }), sdk.BadRequestError);
    await assert.rejects(completion({ prompt: "x".repeat(1000) }), (error) => error.code === "context_length_exceeded");
    await assert.rejects(chat({ model: "gpt-4" }), sdk.NotFoundError);
    await assert.rejects(client.embeddings.create({ model, input: "x" }), sdk.NotFoundError);
    const stranger = new OpenAI({ baseURL, apiKey: apiKey.slice(0, -1) + "~", maxRetries: 0 });
    await assert.rejects(stranger.models.list(), sdk.AuthenticationError);
  },

  async repeats() {
    // Its own option idempotencyKey sends nothing: bodies that differ would be refused.
    const unsent = { idempotencyKey: `unsent-${version}` };
    const plain = await chat({}, unsent);
    assert.notEqual((await chat({ stop: "x" }, unsent)).esper.id, plain.esper.id);
    const once = { headers: { "Idempotency-Key": `once-${version}` } };
    const first = await chat({}, once);
    assert.equal((await chat({}, once)).esper.id, first.esper.id);
    await assert.rejects(chat({ stop: "x" }, once), (error) => error.code === "idempotency_mismatch");
  },
};

const broken = {
  async streamsThatBreakRaise() {
    for (const [make, piece] of [[chat, ofChat], [completion, ofCompletion], [response, ofResponse]]) {
      const stream = await make({ stream: true });
      await assert.rejects(textOf(stream, piece), sdk.APIError);
    }
  },

  async answersThatBreakAreServerErrors() {
    for (const make of [chat, completion, response]) {
      await assert.rejects(make({}), sdk.InternalServerError);
    }
  },
};

for (const [name, check] of Object.entries(half === "broken" ? broken : whole)) {
  try {
    await check();
  } catch (error) {
    throw new Error(name, { cause: error });
  }
  console.log(JSON.stringify(name));
}
