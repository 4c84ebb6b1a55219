// What lives with an account: models, files, batches, agents, conversations, libraries, fine-tuning jobs.

import { QUESTION, all } from "./cases.mjs";
import { CHAT, client, text } from "./mistral_common.mjs";

const LINE = { custom_id: "a", body: { messages: QUESTION, max_tokens: 5 } };
const INLINE = { customId: "a", body: { messages: QUESTION, max_tokens: 5 } };
const jsonl = (name, content) => ({ fileName: name, content: new Blob([content]) });
const ids = (items) => items.map((item) => item.id);

async function card(modelId) {
  const found = await client().models.retrieve({ modelId });
  return { id: found.id, context: found.maxContextLength, chat: found.capabilities.completionChat };
}

export const resources = {
  async models_list() {
    return ids((await client().models.list()).data).sort();
  },
  async models_retrieve() {
    return card("mistral-small-latest");
  },
  async models_retrieve_prefixed() {
    return card("mistral/mistral-small-latest");
  },
  async files() {
    const files = client().files;
    const made = await files.upload({ file: jsonl("jobs.jsonl", '{"custom_id": "1"}\n'), purpose: "batch" });
    const listed = ids((await files.list()).data).includes(made.id);
    const content = await new Response(await files.download({ fileId: made.id })).text();
    const shown = await files.retrieve({ fileId: made.id });
    const link = await files.getSignedUrl({ fileId: made.id });
    const gone = await files.delete({ fileId: made.id });
    return {
      name: shown.filename,
      bytes: made.sizeBytes,
      listed,
      content,
      link: link.url.startsWith("https://"),
      deleted: gone.deleted,
      left: ids((await files.list()).data).includes(made.id),
    };
  },
  async batch() {
    const mistral = client();
    const file = jsonl("in.jsonl", `${JSON.stringify(LINE)}\n`);
    const given = await mistral.files.upload({ file, purpose: "batch" });
    const request = { inputFiles: [given.id], model: CHAT, endpoint: "/v1/chat/completions" };
    const job = await mistral.batch.jobs.create(request);
    const done = await mistral.batch.jobs.get({ jobId: job.id });
    const output = await new Response(await mistral.files.download({ fileId: done.outputFile })).text();
    return {
      status: [job.status, done.status],
      listed: ids((await mistral.batch.jobs.list()).data).includes(job.id),
      result: JSON.parse(output).response.body.object,
    };
  },
  async batch_inline() {
    const jobs = client().batch.jobs;
    const request = { requests: [INLINE], model: CHAT, endpoint: "/v1/chat/completions", metadata: { yard: "north" } };
    const done = await jobs.get({ jobId: (await jobs.create(request)).id, inline: true });
    return { status: done.status, outputs: done.outputs?.length ?? 0, metadata: done.metadata };
  },
  async batch_cancelled() {
    const jobs = client().batch.jobs;
    const job = await jobs.create({ requests: [INLINE], model: CHAT, endpoint: "/v1/chat/completions" });
    const asked = await jobs.cancel({ jobId: job.id });
    return [asked.status, (await jobs.get({ jobId: job.id })).status];
  },
  async agents() {
    const mistral = client();
    const agents = mistral.beta.agents;
    const agent = await agents.create({ model: CHAT, name: "yardmaster", instructions: "Be brief." });
    const change = { description: "knows the yard" }; // under two names, as in `classification_chat`
    const changed = await agents.update({ agentId: agent.id, updateAgentRequest: change, agentUpdateRequest: change });
    const listed = ids(await agents.list()).includes(agent.id);
    const versions = (await agents.listVersions({ agentId: agent.id })).map((item) => item.version);
    const said = await mistral.agents.complete({ agentId: agent.id, messages: QUESTION });
    await agents.delete({ agentId: agent.id });
    return {
      version: changed.version,
      versions: versions.sort(),
      listed,
      said: said.choices[0].message.content,
      left: ids(await agents.list()).includes(agent.id),
    };
  },
  async conversations() {
    const conversations = client().beta.conversations;
    const first = await conversations.start({ model: CHAT, inputs: "Hello" });
    const conversationId = first.conversationId;
    const second = await conversations.append({ conversationId, conversationAppendRequest: { inputs: "And now?" } });
    const messages = await conversations.getMessages({ conversationId });
    const conversationRestartRequest = { inputs: "Again", fromEntryId: messages.messages[1].id };
    const other = await conversations.restart({ conversationId, conversationRestartRequest });
    const history = await conversations.getHistory({ conversationId });
    const listed = ids(await conversations.list()).includes(conversationId);
    const got = await conversations.get({ conversationId });
    await conversations.delete({ conversationId });
    return {
      said: [first, second, other].map((answer) => text(answer.outputs[0].content).slice(0, 14)),
      tokens: first.usage.totalTokens,
      messages: messages.messages.length,
      history: history.entries.map((entry) => entry.type),
      restarted: other.conversationId !== conversationId,
      listed,
      got: got.id === conversationId,
      left: ids(await conversations.list()).includes(conversationId),
    };
  },
  async conversations_streamed() {
    const conversations = client().beta.conversations;
    const first = await all(await conversations.startStream({ model: CHAT, inputs: "Hello" }));
    const conversationId = first[0].data.conversationId;
    const appended = { conversationId, conversationAppendStreamRequest: { inputs: "And now?" } };
    const kinds = (await all(await conversations.appendStream(appended))).map((event) => event.event);
    const fromEntryId = (await conversations.getHistory({ conversationId })).entries[1].id;
    const conversationRestartStreamRequest = { inputs: "Again", fromEntryId };
    const restarted = await conversations.restartStream({ conversationId, conversationRestartStreamRequest });
    const again = (await all(restarted)).map((event) => event.event);
    const tokens = first.at(-1).data.usage.totalTokens;
    return { started: first[0].event, tokens, kinds, same: String(again) === String(kinds) };
  },
  async libraries() {
    const libraries = client().beta.libraries;
    const library = await libraries.create({ name: "timetables", description: "of the yard" });
    const libraryId = library.id;
    const change = { name: "departures" }; // under two names, as in `classification_chat`
    const named = await libraries.update({ libraryId, updateLibraryRequest: change, libraryInUpdate: change });
    const requestBody = { file: { fileName: "a.txt", content: new Blob(["12:00 Paris"]) } };
    const documentId = (await libraries.documents.upload({ libraryId, requestBody })).id;
    const listed = await libraries.documents.list({ libraryId });
    const status = await libraries.documents.status({ libraryId, documentId });
    const read = await libraries.documents.textContent({ libraryId, documentId });
    const link = await libraries.documents.getSignedUrl({ libraryId, documentId });
    await libraries.documents.delete({ libraryId, documentId });
    const found = ids((await libraries.list()).data).includes(libraryId);
    await libraries.delete({ libraryId });
    return {
      named: named.name,
      documents: listed.data.length,
      status: status.processingStatus,
      text: read.text,
      link: link.startsWith("https://"),
      found,
      left: ids((await libraries.list()).data).includes(libraryId),
    };
  },
  async fine_tuning() {
    const mistral = client();
    const jobs = mistral.fineTuning.jobs;
    const request = { model: "open-mistral-nemo", hyperparameters: { trainingSteps: 10 }, autoStart: true };
    const made = await jobs.create(request);
    const done = await jobs.get({ jobId: made.id });
    const listed = ids((await jobs.list()).data).includes(made.id);
    const model = done.fineTunedModel;
    const said = await mistral.chat.complete({ model, messages: QUESTION });
    const archived = (await mistral.models.archive({ modelId: model })).archived;
    const deleted = (await mistral.models.delete({ modelId: model })).deleted;
    const status = [made.status, done.status];
    return { status, listed, said: said.choices[0].message.content, archived, deleted };
  },
};
