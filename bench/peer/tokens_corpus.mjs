// Writes the texts whose tokens are counted, from fixed seeds: `chat`, a reply of 100 to 300 characters a line, one in four not in
// English, one in three with emoji; and `docs`, documents of prose and code from the words and lines of this repository.
//
//   node bench/peer/tokens_corpus.mjs REPOSITORY DIR CHAT_BYTES DOCS_BYTES
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [repository, directory, chatBytes, docsBytes] = process.argv.slice(2);

// mulberry32 (Tommy Ettinger, public domain).
let state = 20260101;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

function* files(at) {
  for (const entry of readdirSync(at).sort()) {
    const path = join(at, entry);
    if (statSync(path).isDirectory()) yield* files(path);
    else if (/\.(cpp|h|sql|md|pm|pl)$/.test(entry)) yield path;
  }
}
const code = [];
const prose = [];
for (const top of ['docs', 'src', 'sql', 'demo']) {
  for (const path of files(join(repository, top))) {
    const text = readFileSync(path, 'utf8');
    code.push(...text.split('\n').filter((line) => line.length < 400));
    if (path.endsWith('.md')) prose.push(...text.split(/\n\n+/).filter((paragraph) => /^[A-Z]/.test(paragraph)));
  }
}
// As often as they stand in the prose: few words make most of a text, and most words are rare.
const words = prose.join(' ').split(/\s+/).filter((word) => word.length > 0);
const foreign = {
  de: 'ich du er sie es wir und oder aber nicht mehr sehr Größe Straße natürlich vielleicht Überraschung gemacht können würde',
  fr: 'je tu il elle nous vous et ou mais pas plus très déjà être forêt garçon naïveté peut-être aujourd’hui voilà',
  ru: 'я ты он она мы вы и или но не больше очень привет спасибо конечно возможно удивление сделать могли',
  ja: 'これ それ とても ありがとう 面白い 冗談 ですね 日本語 返事 コメント すごい 本当に 今日 明日',
  zh: '这个 那个 非常 谢谢 有趣 笑话 中文 回复 评论 真的 今天 明天 我们 他们 不是 可以',
  ar: 'هذا ذلك جدا شكرا مضحك نكتة عربي رد تعليق حقا اليوم غدا نحن هم ليس ممكن',
  hi: 'यह वह बहुत धन्यवाद मज़ेदार चुटकुला हिंदी जवाब टिप्पणी सच आज कल हम वे नहीं',
};
const languages = Object.values(foreign).map((list) => list.split(' '));
const emoji = ['😀', '😂', '🤣', '🔥', '👍', '💀', '🙃', '👩‍👩‍👧‍👦', '🏳️‍🌈', '❤️', '😭', '🤡', '👏🏽'];

// Names, mistakes and words that nobody has used before: no text is all of known words.
const letters = 'etaoinshrdlucmfwypvbgkjqxz';
const coined = () => Array.from({ length: 3 + below(8) }, () => letters[Math.floor(random() * random() * 26)]).join('');

function reply() {
  const vocabulary = random() < 0.25 ? pick(languages) : words;
  const length = 100 + below(200);
  let text = '';
  while (text.length < length) text += (text === '' ? '' : ' ') + (random() < 0.04 ? coined() : random() < 0.02 ? below(10000) : pick(vocabulary));
  if (random() < 0.33) text += ' ' + pick(emoji) + (random() < 0.3 ? pick(emoji) : '');
  return text + pick(['', '.', '!', '?', '...', '!!']);
}

function paragraph() {
  const kind = random();
  if (kind < 0.35) return Array.from({ length: 3 + below(12) }, () => pick(code)).join('\n');
  const sentence = () => {
    const list = Array.from({ length: 5 + below(20) }, () => (random() < 0.03 ? coined() : pick(words)));
    list[0] = list[0][0].toUpperCase() + list[0].slice(1);
    return list.join(' ') + pick(['.', '.', '.', '?', ':']);
  };
  return Array.from({ length: 2 + below(5) }, sentence).join(' ');
}

function write(name, bytes, make, between) {
  const parts = [];
  for (let size = 0; size < bytes; ) {
    const text = make() + between;
    parts.push(text);
    size += Buffer.byteLength(text);
  }
  writeFileSync(join(directory, name), parts.join(''));
}
// A reply a line; documents of some 16 KB, which hold line feeds and end with a zero byte.
write('chat', Number(chatBytes), () => reply().replaceAll('\n', ' '), '\n');
write('docs', Number(docsBytes), () => Array.from({ length: 40 }, paragraph).join('\n\n'), '\0');
