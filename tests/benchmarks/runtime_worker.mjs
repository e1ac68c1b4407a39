// Runs ONNX files in onnxruntime-web: node runtime_worker.mjs NODE_MODULES FOLDER
//
// As runtime_workers.py, but numbers come and go as raw float32, in x.bin, h0.bin, NAME.y.bin and NAME.h.bin, and
// shape.json holds time, batch, n_in, n.

import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [modules, folder] = process.argv.slice(2);
const ort = createRequire(path.join(modules, "x.js"))("onnxruntime-web");
ort.env.wasm.numThreads = 1;
const floats = (name) => new Float32Array(new Uint8Array(fs.readFileSync(path.join(folder, name))).buffer);
const { time, batch, n_in, n } = JSON.parse(fs.readFileSync(path.join(folder, "shape.json"), "utf-8"));
const x = floats("x.bin"), h0 = floats("h0.bin");

for (const file of fs.readdirSync(folder).filter((name) => name.endsWith(".onnx"))) {
  const session = await ort.InferenceSession.create(path.join(folder, file));
  const parts = [];
  let h = new ort.Tensor("float32", h0, [batch, n]);
  if (file === "network_step.onnx") {
    for (let t = 0; t < time; t++) {
      const x_t = new ort.Tensor("float32", x.slice(t * batch * n_in, (t + 1) * batch * n_in), [batch, n_in]);
      const found = await session.run({ x: x_t, h });
      parts.push(found.y.data);
      h = found.h_next;
    }
  } else {
    const found = await session.run({ x: new ort.Tensor("float32", x, [time, batch, n_in]), h0: h });
    parts.push(found.y.data);
    h = found.h_last;
  }
  const name = path.join(folder, path.basename(file, ".onnx"));
  fs.writeFileSync(`${name}.y.bin`, Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))));
  fs.writeFileSync(`${name}.h.bin`, Buffer.from(h.data.buffer, h.data.byteOffset, h.data.byteLength));
}
