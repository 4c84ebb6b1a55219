// Pages, sounds and judgements: OCR, moderation, classification, transcription, speech, voices, realtime.

import { QUESTION, SOUND, WAGON, all } from "./cases.mjs";
import { client } from "./mistral_common.mjs";

const realtimePath = "@mistralai/mistralai/extra/realtime"; // version 1 exports no folders
const { RealtimeTranscription } = await import(realtimePath).catch(() => import(`${realtimePath}/index.js`));
const DOCUMENT = { type: "document_url", documentUrl: "https://example.com/a.pdf" };
const MODERATOR = "mistral-moderation-latest";
const TRANSCRIBER = "voxtral-mini-latest";
const SPEAKER = "voxtral-mini-tts-latest";
const sound = () => ({ fileName: "a.mp3", content: new Blob([SOUND]) });
const opening = (base64) => Buffer.from(base64, "base64").subarray(0, 4).toString("latin1");

export const media = {
  async ocr() {
    const answer = await client().ocr.process({ model: "mistral-ocr-latest", document: DOCUMENT });
    return { pages: answer.pages.length, processed: answer.usageInfo.pagesProcessed };
  },
  async ocr_annotated() {
    const documentAnnotationFormat = { type: "json_schema", jsonSchema: { name: "wagon", schemaDefinition: WAGON } };
    const request = { model: "mistral-ocr-latest", document: DOCUMENT, pages: [0], documentAnnotationFormat };
    const answer = await client().ocr.process(request);
    return { pages: answer.pages.length, annotated: answer.documentAnnotation != null };
  },
  async moderation() {
    const answer = await client().classifiers.moderate({ model: MODERATOR, inputs: ["violence", "tea"] });
    return answer.results.map((result) => result.categories.violence_and_threats);
  },
  async moderation_chat() {
    const inputs = [[{ role: "user", content: "violence" }], [{ role: "user", content: "tea" }]];
    const answer = await client().classifiers.moderateChat({ model: MODERATOR, inputs });
    return answer.results.map((result) => result.categories.violence_and_threats);
  },
  async classification() {
    const answer = await client().classifiers.classify({ model: "ft:classifier:yard", inputs: ["one", "two"] });
    return answer.results.map((result) => Object.keys(result).length > 0);
  },
  async classification_chat() {
    const conversations = [{ messages: QUESTION }]; // under two names, of which a client drops the one it does not know
    const request = { model: "ft:classifier:yard", input: conversations, inputs: conversations };
    const answer = await client().classifiers.classifyChat(request);
    return answer.results.map((result) => Object.keys(result).length > 0);
  },
  async transcription() {
    const request = { model: TRANSCRIBER, file: sound(), language: "en", diarize: false };
    const answer = await client().audio.transcriptions.complete(request);
    return { text: answer.text, seconds: answer.usage.promptAudioSeconds, language: answer.language };
  },
  async transcription_timed() {
    const request = { model: TRANSCRIBER, file: sound(), timestampGranularities: ["segment"], diarize: true };
    return { segments: (await client().audio.transcriptions.complete(request)).segments.length };
  },
  async transcription_of_a_link() {
    const request = { model: TRANSCRIBER, fileUrl: "https://example.com/a.mp3" };
    return { text: (await client().audio.transcriptions.complete(request)).text };
  },
  async transcription_of_a_file() {
    const mistral = client();
    const file = { fileName: "stored.mp3", content: new Blob([SOUND]) };
    const made = await mistral.files.upload({ file, purpose: "audio" });
    const answer = await mistral.audio.transcriptions.complete({ model: TRANSCRIBER, fileId: made.id });
    return { text: answer.text };
  },
  async transcription_stream() {
    // A form that is too long to be read at once; some clients write `stream` after the file.
    const file = { fileName: "a.mp3", content: new Blob(Array(10).fill(SOUND)) };
    const seen = await all(await client().audio.transcriptions.stream({ model: TRANSCRIBER, file }));
    const pieces = seen.filter((event) => event.event === "transcription.text.delta");
    const last = seen.at(-1);
    const text = pieces.map((event) => event.data.text).join("");
    return { last: last.event, text, seconds: last.data.usage.promptAudioSeconds };
  },
  async speech() {
    const request = { model: SPEAKER, input: "Mind the gap", voiceId: "en_paul_neutral", responseFormat: "wav" };
    return { opens: opening((await client().audio.speech.complete(request)).audioData) };
  },
  async speech_stream() {
    const request = { model: SPEAKER, input: "Mind the gap", voiceId: "en_paul_neutral", responseFormat: "wav" };
    const seen = await all(await client().audio.speech.complete({ ...request, stream: true }));
    const last = seen.at(-1);
    return { opens: opening(seen[0].data.audioData), last: last.event, tokens: last.data.usage.promptTokens };
  },
  async voices() {
    const voices = client().audio.voices;
    const sampleAudio = Buffer.from(SOUND).toString("base64");
    const made = await voices.create({ name: "Conductor", languages: ["en"], sampleAudio, sampleFilename: "a.wav" });
    const changes = { voiceId: made.id, voiceUpdateRequest: { description: "calm" } };
    const description = (await voices.update(changes)).description;
    const heard = new Response(await voices.getSampleAudio({ voiceId: made.id }));
    const names = (await voices.list()).items.map((voice) => voice.name);
    await voices.delete({ voiceId: made.id });
    return {
      names,
      description,
      got: (await voices.get({ voiceId: "en_paul_neutral" })).name,
      sample: Buffer.from(await heard.arrayBuffer()).subarray(0, 4).toString("latin1"),
      left: (await voices.list()).items.map((voice) => voice.name),
    };
  },
  async realtime() {
    async function* pieces() {
      for (let count = 0; count < 3; count += 1) yield SOUND.subarray(0, 16_000);
    }
    const realtime = new RealtimeTranscription({ apiKey: process.env.KEY, serverURL: process.env.BASE_URL });
    const model = "voxtral-mini-transcribe-realtime-2602";
    const seen = await all(realtime.transcribeStream(pieces(), model));
    const deltas = seen.filter((event) => event.type === "transcription.text.delta").length;
    const last = seen.at(-1);
    return { first: seen[0].type, last: last.type, deltas, seconds: last.usage.promptAudioSeconds };
  },
  async realtime_refused() {
    const realtime = new RealtimeTranscription({ apiKey: process.env.BAD_KEY, serverURL: process.env.BASE_URL });
    await realtime.connect("voxtral-mini-realtime-latest");
    return "connected";
  },
};
