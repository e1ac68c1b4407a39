// Opens ONNX files with Netron's own readers and says what they find; fails if one cannot be opened.
//
//   node tests/benchmarks/referee_netron.mjs NETRON FILE…
//
// NETRON is the folder of the installed netron package, `python -c "import netron; print(netron.__path__[0])"`.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [netron, ...files] = process.argv.slice(2);
// The package says nowhere that its files are ES modules, so they are read from a copy that does.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "netron-"));
fs.cpSync(netron, folder, { recursive: true });
fs.writeFileSync(path.join(folder, "package.json"), '{"type": "module"}');
const module = (name) => import(pathToFileURL(path.join(folder, `${name}.js`)));
globalThis.window = globalThis;
globalThis.document = { createElement: () => ({}) };

try {
  const [base, view] = await Promise.all([module("base"), module("view")]);
  const text = async (name) => fs.readFileSync(path.join(folder, name), "utf-8");
  const host = { environment: () => null, event() {}, message() {}, exception(error) { throw error; },
                 require: (name) => module(name), asset: text, request: text };
  for (const file of files) {
    const context = { ...host, host, identifier: path.basename(file), entries: new Map(),
                      stream: new base.BinaryStream(fs.readFileSync(file)), error(error) { throw error; } };
    const model = await new view.ModelFactoryService(host).open(context);
    const [graph] = model.modules;
    const keys = (model.metadata ?? []).map((item) => item.name);
    console.log(`${context.identifier}: ${model.format}, ${graph.nodes.length} nodes, metadata ${keys.join(", ")}`);
  }
} finally {
  fs.rmSync(folder, { recursive: true });
}
