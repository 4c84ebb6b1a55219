// Builds the console into the package, whose console process serves it under /ui.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/ui/",
  plugins: [react()],
  build: {
    outDir: "../src/gantry/console/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // what is inlined as data: would need a hole in the content security policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
  },
  server: { fs: { allow: [".."] }, proxy: { "/api": "http://127.0.0.1:8790" } },
});
