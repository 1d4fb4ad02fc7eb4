// Writes texts on which tokenizers part: every assigned character in contexts that tell its class, words of many scripts, code, emoji,
// combining marks, runs of white space, joined tokens of the vocabularies, long words, bytes that are no UTF-8.
//
//   node test/tokens/corpus.mjs REPOSITORY SEED LINES ZEROS
//
// LINES ends each text with a line feed (and texts hold zero bytes), ZEROS with a zero byte (and texts hold line feeds).
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [repository, seed, linesFile, zerosFile] = process.argv.slice(2);

// mulberry32 (Tommy Ettinger, public domain).
let state = Number(seed) >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const repeat = (n, make) => Array.from({ length: n }, make).join('');

class Texts {
  constructor(path, end) {
    this.file = openSync(path, 'w');
    this.end = end;
    this.parts = [];
    this.size = 0;
  }
  add(text) {
    const bytes = Buffer.from(Buffer.from(text)).map((byte) => (byte === this.end ? (this.end === 10 ? 0 : 10) : byte));
    this.parts.push(bytes, Buffer.of(this.end));
    this.size += bytes.length + 1;
    if (this.parts.length > 20000) this.flush();
  }
  flush() {
    writeSync(this.file, Buffer.concat(this.parts));
    this.parts = [];
  }
  close() {
    this.flush();
    closeSync(this.file);
  }
}
const lines = new Texts(linesFile, 10);
const zeros = new Texts(zerosFile, 0);
const add = (text) => (random() < 0.5 ? lines : zeros).add(text);

// Each character: as a letter or not, a number or not, white space or not, of which case, as a mark.
const contexts = [(c) => `${c}'s ${c}12345 a${c}'re`, (c) => `A${c}B${c}c ${c}${c} \n${c}\n\n`, (c) => `!${c}x${c}/\r\n  ${c}'LL\t${c}`];
for (let point = 0; point <= 0x10ffff; point++) {
  if (point >= 0xd800 && point <= 0xdfff) continue;
  const c = String.fromCodePoint(point);
  const common = /\p{Cn}|\p{Co}|\p{Script=Han}|\p{Script=Hangul}|\p{Script=Tangut}/u.test(c);
  if (common && point > 0x3400 && random() > 0.04) continue;
  add(contexts.map((context) => context(c)).join(' '));
}

// Words, spaces and marks from alphabets that are mixed at random.
const range = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i));
const alphabets = {
  latin: range(0x61, 0x7a), capitals: range(0x41, 0x5a), accents: range(0xc0, 0x17f), digits: range(0x30, 0x39), greek: range(0x370, 0x3ff),
  cyrillic: range(0x400, 0x52f), armenian: range(0x530, 0x58f), hebrew: range(0x590, 0x5ff), arabic: range(0x600, 0x6ff), devanagari: range(0x900, 0x97f),
  tamil: range(0xb80, 0xbff), thai: range(0xe00, 0xe7f), georgian: range(0x10a0, 0x10ff), ethiopic: range(0x1200, 0x137f), kana: range(0x3040, 0x30ff),
  han: range(0x4e00, 0x9fff), hangul: range(0xac00, 0xd7a3), marks: range(0x300, 0x36f), letterlike: range(0x2100, 0x218f), titlecase: [...'ǅǈǋǲᾈᾘᾨ'],
  modifiers: range(0x2b0, 0x2ff), punctuation: [...'!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'], general: range(0x2010, 0x206f), symbols: range(0x2190, 0x27bf),
  emoji: [...range(0x1f300, 0x1f64f), ...range(0x1f900, 0x1f9ff)], joiners: ['\u200d', '\ufe0f', '\u20e3', '\u{1f3fd}', '\u{1f1e9}', '\u{1f1ea}'],
  numbers: [...range(0x660, 0x669), ...range(0x2070, 0x2089), ...range(0x2150, 0x2189), ...range(0xff10, 0xff19), '①', '𝟘', '௧'],
  math: range(0x1d400, 0x1d7ff), newer: range(0x10d40, 0x10d8f),
};
const spaces = [' ', '  ', '   ', '\t', '\n', '\r\n', '\r', '\n\n', '\u00a0', '\u0085', '\u2003', '\u2028', '\u3000', '\ufeff', '\u200b', '\v', '\f', ' '.repeat(20)];
const contractions = ["'s", "'S", "'ſ", "'t", "'T", "'re", "'Re", "'RE", "'ve", "'m", "'ll", "'lL", "'d", "'D", "'", "’s", "''", "'r", "'l", "'v"];
const names = Object.keys(alphabets);
for (let i = 0; i < 60000; i++) {
  const used = Array.from({ length: 1 + below(4) }, () => alphabets[pick(names)]);
  const run = () => {
    const from = random() < 0.7 ? pick(used) : pick([spaces, contractions]);
    return repeat(1 + below(8), () => pick(random() < 0.85 ? from : pick(used)));
  };
  add(repeat(1 + below(12), run));
}

// Like prose: words with capitals, in one script, with punctuation.
for (let i = 0; i < 20000; i++) {
  const alphabet = alphabets[pick(['latin', 'latin', 'latin', 'accents', 'greek', 'cyrillic', 'arabic', 'devanagari', 'thai', 'kana', 'han', 'hangul'])];
  const word = () => {
    const letters = repeat(1 + below(9), () => pick(alphabet));
    return random() < 0.15 ? letters[0].toUpperCase() + letters.slice(1) : random() < 0.04 ? letters.toUpperCase() : letters;
  };
  add(Array.from({ length: 5 + below(40) }, word).join(pick([' ', ' ', ' ', ', ', '. ', '-', '\n', ' 42 ', "'s ", ' 😀 '])));
}

// The repository's own text: code, SQL, prose. By line and by file.
function* filesUnder(directory) {
  for (const entry of readdirSync(directory).sort()) {
    const path = join(directory, entry);
    if (statSync(path).isDirectory()) yield* filesUnder(path);
    else if (/\.(cpp|h|sql|md|pl|pm|txt|mjs)$/.test(entry)) yield path;
  }
}
for (const directory of ['src', 'docs', 'test', 'demo']) {
  for (const path of filesUnder(join(repository, directory))) {
    const text = readFileSync(path, 'utf8');
    zeros.add(text.slice(0, 20000));
    for (const line of text.split('\n')) if (random() < 0.3) lines.add(line);
  }
}

// Tokens of the vocabularies after one another: what merges across their borders, and bytes that end within a character.
for (const name of ['o200k_base', 'cl100k_base']) {
  const file = readFileSync(join(repository, 'data/tokens', `${name}.tokens`));
  const tokens = [];
  for (let at = 0; at < file.length; at += 1 + file[at]) tokens.push(file.subarray(at + 1, at + 1 + file[at]));
  for (const token of tokens) if (random() < 0.2) add(token);
  for (let i = 0; i < 15000; i++) add(Buffer.concat(Array.from({ length: 2 + below(8) }, () => pick(tokens))));
}

// Long words, of few and of many letters; with longer ones the reference takes seconds.
for (let i = 0; i < 300; i++) {
  const kinds = ['latin', 'latin', 'cyrillic', 'han', 'punctuation', 'thai', 'emoji'];
  const letters = Array.from({ length: 1 + below(30) }, () => pick(alphabets[pick(kinds)]));
  add(repeat(100 + below(900), () => pick(letters)));
}

// No UTF-8: noise, halves of surrogate pairs, overlong forms, characters cut off.
for (let i = 0; i < 20000; i++) {
  const bytes = Buffer.from(repeat(1 + below(20), () => pick(alphabets[pick(names)])) + 'abc');
  for (let n = 1 + below(4); n > 0; n--) bytes[below(bytes.length)] = pick([0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf8, 0xff, below(256)]);
  add(random() < 0.5 ? bytes.subarray(0, below(bytes.length) + 1) : bytes);
}
for (let i = 0; i < 3000; i++) add(Buffer.from(Array.from({ length: 1 + below(60) }, () => below(256))));

lines.close();
zeros.close();
console.log(lines.size + zeros.size);
